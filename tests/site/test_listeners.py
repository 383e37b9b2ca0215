"""Who writes its state on a change: the entities of that device, or those of the site, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import time

import pytest

from custom_components.site_devices.core.device import Change, ChangeKind, DeviceRecord
from custom_components.site_devices.site.listeners import Listeners
from custom_components.site_devices.site.pacing import SLICE


class Entity:
    """An entity that counts what it writes, and may take its time."""

    def __init__(self, record: DeviceRecord, effort: float = 0.0, *, broken: bool = False) -> None:
        self.record = record
        self.broken = broken
        self.written = 0
        self.identified = 0
        self.effort = effort

    def async_write_ha_state(self) -> None:
        self.written += 1
        if self.broken:
            raise RuntimeError
        time.sleep(self.effort)

    def identify(self) -> None:
        self.identified += 1
        if self.broken:
            raise RuntimeError


def device(serial: str) -> DeviceRecord:
    return DeviceRecord(key=f"datalogger/{serial}", address="monstro/1", created=0.0)


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def listeners() -> Listeners:
    return Listeners(asyncio.get_running_loop())


def listening(listeners: Listeners, *entities: Entity) -> None:
    for entity in entities:
        listeners.async_add(entity)


def flip(listeners: Listeners, record: DeviceRecord) -> None:
    listeners.async_handle(Change(record, ChangeKind.OFFLINE))


def replace(listeners: Listeners, record: DeviceRecord, former_key: str) -> None:
    listeners.async_handle(Change(record, ChangeKind.REPLACED, former_key))


async def test_the_entities_of_a_device_hear_of_that_device_only(listeners: Listeners) -> None:
    one, other = device("A"), device("B")
    entities = Entity(one), Entity(one), Entity(other)
    site: list[str] = []
    listeners.async_add_site(lambda: site.append("changed"))
    listening(listeners, *entities)
    for gone, written in ((None, [1, 1, 0]), (0, [1, 2, 0]), (1, [1, 2, 0])):
        if gone is not None:
            listeners.async_remove(entities[gone])
        flip(listeners, one)
        assert [entity.written for entity in entities] == written
    assert not site
    listeners.async_remove(entities[2])
    assert not listeners._devices  # no record is held because it once had entities


@pytest.mark.parametrize("kind", Listeners.handles)
async def test_a_device_is_written_when_its_state_or_its_serial_is_another(
    listeners: Listeners, kind: ChangeKind
) -> None:
    entity = Entity(device("A"))
    listening(listeners, entity)
    listeners.async_handle(Change(entity.record, kind, "datalogger/A"))
    assert entity.written == 1
    assert entity.identified == (kind is ChangeKind.REPLACED)


async def test_the_sites_own_hear_of_the_site_until_they_are_gone(listeners: Listeners) -> None:
    heard: list[str] = []
    end = listeners.async_add_site(lambda: heard.append("one"))
    listeners.async_add_site(lambda: heard.append("other"))
    listeners.async_site_changed()
    end()
    listeners.async_site_changed()
    assert heard == ["one", "other", "other"]


async def test_a_heartbeat_is_told_to_the_one_who_wants_to_know(listeners: Listeners) -> None:
    heard: list[str] = []
    listeners.async_heartbeat("datalogger/A")
    end = listeners.async_add_heartbeat(device("A"), lambda: heard.append("A"))
    listeners.async_add_heartbeat(device("B"), lambda: heard.append("B"))
    for key in ("datalogger/A", "datalogger/B", "datalogger/C"):
        listeners.async_heartbeat(key)
    assert heard == ["A", "B"]
    end()
    end()  # by then the device may have gone on under another serial
    listeners.async_heartbeat("datalogger/A")
    assert heard == ["A", "B"]


async def test_other_hardware_goes_on_with_the_same_entities(listeners: Listeners) -> None:
    heard: list[str] = []
    record, other = device("OLD"), device("B")
    entities = Entity(record), Entity(other)
    listening(listeners, *entities)
    end = listeners.async_add_heartbeat(record, lambda: heard.append("beat"))
    record.key = "datalogger/NEW"
    replace(listeners, record, "datalogger/OLD")
    assert [entity.identified for entity in entities] == [1, 0]
    listeners.async_heartbeat("datalogger/OLD")
    assert not heard
    listeners.async_heartbeat("datalogger/NEW")
    assert heard == ["beat"]
    end()
    listeners.async_heartbeat("datalogger/NEW")
    assert heard == ["beat"]


async def test_other_hardware_goes_on_where_nobody_listened_to_heartbeats(listeners: Listeners) -> None:
    record = device("NEW")
    replace(listeners, record, "datalogger/OLD")
    listeners.async_heartbeat("datalogger/NEW")


def slow(listeners: Listeners) -> list[Entity]:
    """Let all change, of which three devices take a slice each to write."""
    entities = [Entity(device(str(number)), effort=SLICE) for number in range(3)]
    listening(listeners, *entities)
    listeners.async_all_changed()
    return entities


async def test_when_all_write_the_site_comes_first_and_the_loop_turns_after_each_slice(listeners: Listeners) -> None:
    own: list[str] = []
    listeners.async_add_site(lambda: own.append("site"))
    entities = slow(listeners)
    for so_far in (0, 1, 2, 3):
        assert own == ["site"]
        assert sum(entity.written for entity in entities) == so_far
        await asyncio.sleep(0)
    assert [entity.written for entity in entities] == [1, 1, 1]


async def test_all_write_anew_when_things_change_again_in_between(listeners: Listeners) -> None:
    entities = slow(listeners)
    await asyncio.sleep(0)
    for entity in entities:
        entity.written = 0
    listeners.async_all_changed()
    await turns()
    assert [entity.written for entity in entities] == [1, 1, 1]


@pytest.mark.parametrize("end", ["removed", "stopped"])
async def test_an_entity_writes_nothing_after_its_end(listeners: Listeners, end: str) -> None:
    stop = listeners.async_start()
    stop()  # with nothing on its way
    entities = slow(listeners)
    await asyncio.sleep(0)
    if end == "stopped":
        stop()
    else:
        for entity in entities:
            listeners.async_remove(entity)
    await turns()
    assert sum(entity.written for entity in entities) == 1


@pytest.mark.parametrize(
    ("tell", "told"),
    [
        (flip, "written"),
        (lambda listeners, _: listeners.async_all_changed(), "written"),
        (lambda listeners, record: replace(listeners, record, record.key), "identified"),
    ],
    ids=["device", "all", "identity"],
)
@pytest.mark.parametrize("serials", ["AAAA", "ABCD"])
async def test_an_entity_that_fails_keeps_no_other_from_hearing(
    listeners: Listeners,
    caplog: pytest.LogCaptureFixture,
    tell: Callable[[Listeners, DeviceRecord], None],
    told: str,
    serials: str,
) -> None:
    records = {serial: device(serial) for serial in serials}
    entities = [Entity(records[serial], broken=number in (1, 2)) for number, serial in enumerate(serials)]
    listening(listeners, *entities)
    for times in (1, 2):
        for record in records.values():
            tell(listeners, record)
        await turns()  # a traceback may take longer than a slice to format
        assert [getattr(entity, told) for entity in entities] == [times] * 4
    assert caplog.text.count("Failed to write a state") == 1


async def test_one_of_the_sites_own_that_fails_keeps_nobody_from_hearing(
    listeners: Listeners, caplog: pytest.LogCaptureFixture
) -> None:
    own, entity = Entity(device("SITE"), broken=True), Entity(device("A"))
    heard: list[str] = []
    listeners.async_add_site(own.async_write_ha_state)
    listeners.async_add_site(lambda: heard.append("site"))
    listeners.async_add_heartbeat(own.record, own.async_write_ha_state)
    listening(listeners, entity)
    listeners.async_site_changed()
    listeners.async_all_changed()
    listeners.async_heartbeat(own.record.key)
    await asyncio.sleep(0)
    assert heard == ["site", "site"]
    assert (own.written, entity.written) == (3, 1)
    assert caplog.text.count("Failed to write a state") == 1
