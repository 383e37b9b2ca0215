"""The site's own page: whether anything is online, whether anything is not, and how many there are."""

from __future__ import annotations

import asyncio

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
import pytest

from custom_components.site_devices.core.device import Change, ChangeKind, Counts, DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.site.counts import SiteCounts

from .. import advance, connectivity, deliver, entity_state, heartbeat, lose_connection, page, setup_site
from .reports import site_with_device

pytestmark = pytest.mark.usefixtures("broker", "quiet")


def counts(hass: HomeAssistant) -> tuple[str, ...]:
    """Return known, online, offline as the sensors show them."""
    return tuple(hass.states.get(f"sensor.sito_001_devices_{name}").state for name in ("known", "online", "offline"))


def site_is(hass: HomeAssistant, key: str) -> str | None:
    state = entity_state(hass, key)
    return state.state if state else None


def counted_fleet() -> tuple[Fleet, DeviceRecord, SiteCounts, list[Counts]]:
    """Return a fleet without devices, one that may be put into it, who counts them, and the counts that are told."""
    fleet = Fleet(offline_after=30, max_devices=100)
    told: list[Counts] = []
    room = SiteCounts(asyncio.get_running_loop(), fleet, lambda: told.append(room.current))
    return fleet, DeviceRecord(key="gateway/A", address="1", created=0.0), room, told


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_site_without_devices(hass: HomeAssistant) -> None:
    await setup_site(hass)
    assert counts(hass) == ("0", "0", "0")
    assert site_is(hass, "connectivity") == "unknown"
    assert site_is(hass, "problem") == "off"


async def test_it_counts_what_is_known_online_and_offline(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass)
    await heartbeat(hass, "datalogger/monstro/9", "DEAD", retain=True)
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 1)
    assert counts(hass) == ("3", "2", "0")
    assert site_is(hass, "connectivity") == "on"

    await advance(hass, freezer, 20)
    await heartbeat(hass)
    await advance(hass, freezer, 10)
    await advance(hass, freezer, 1)
    assert counts(hass) == ("3", "1", "1")
    assert site_is(hass, "connectivity") == "on"
    assert site_is(hass, "problem") == "on"

    await advance(hass, freezer, 20)
    await advance(hass, freezer, 1)
    assert counts(hass) == ("3", "0", "2")
    assert site_is(hass, "connectivity") == "off"


async def test_only_retained_heartbeats_means_that_nothing_lives(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await setup_site(hass)
    await heartbeat(hass, retain=True)
    await advance(hass, freezer, 1)
    assert site_is(hass, "connectivity") == "off"
    assert site_is(hass, "problem") == "off"


async def test_counts_change_once_a_second_at_most(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass)
    written: list[str] = []

    @callback
    def state_changed(event: Event[EventStateChangedData]) -> None:
        if event.data["entity_id"] == "sensor.sito_001_devices_online":
            written.append(event.data["new_state"].state)

    hass.bus.async_listen("state_changed", state_changed)
    for number in range(50):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"S{number}")
        await advance(hass, freezer, 0.05)
    await advance(hass, freezer, 1)
    assert 2 <= len(written) <= 4
    assert written[-1] == "50"


async def test_counts_that_are_as_before_are_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.counts._EVERY", 0.0)
    fleet, record, room, told = counted_fleet()
    for records, expected in (([], 0), ([record], 1)):
        fleet.restore(records, ())
        for _ in range(2):
            room.async_handle(Change(record, ChangeKind.DISCOVERED))
            await turns()
        assert told == [Counts(1, 0, 0)] * expected


async def test_devices_are_counted_at_the_start_and_not_after_the_end() -> None:
    fleet, record, room, told = counted_fleet()
    fleet.restore([record], ())
    end = room.async_start()
    assert room.current == Counts(1, 0, 0)
    fleet.remove(record.key)
    room.async_handle(Change(record, ChangeKind.REMOVED))
    end()
    await turns()
    assert not told


async def test_counts_have_long_term_statistics(hass: HomeAssistant) -> None:
    await setup_site(hass)
    for name in ("known", "online", "offline"):
        state = hass.states.get(f"sensor.sito_001_devices_{name}")
        assert state
        assert state.attributes["state_class"] == "measurement"


async def test_it_is_not_known_while_nothing_is_heard(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass)
    lose_connection(hass)
    await advance(hass, freezer, 61)
    assert counts(hass) == ("unavailable", "unavailable", "unavailable")
    assert site_is(hass, "problem") == "unavailable"


async def test_a_muted_device_is_in_no_count_and_no_problem(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await site_with_device(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    devices, muted = dr.async_get(hass), page(hass, entry)
    devices.async_update_device(muted.id, disabled_by=dr.DeviceEntryDisabler.USER)
    await hass.async_block_till_done()
    await advance(hass, freezer, 20)
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 15)
    await advance(hass, freezer, 1)
    assert counts(hass) == ("1", "1", "0")
    assert site_is(hass, "problem") == "off"

    # it was followed all the while: still muted after a reload, and there as it is when enabled again
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert counts(hass) == ("1", "1", "0")
    devices.async_update_device(muted.id, disabled_by=None)
    await hass.async_block_till_done()
    await advance(hass, freezer, 1)
    assert counts(hass) == ("2", "1", "1")
    await advance(hass, freezer, 31)  # Home Assistant reloads the entry, for the entities it enabled
    assert connectivity(hass) == "off"


async def test_a_muted_device_that_comes_back_among_many_is_in_no_count(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later ends bring a deleted device back disabled, as it was; that is known only when its page is made."""
    entry = await site_with_device(hass)
    dr.async_get(hass).async_update_device(page(hass, entry).id, disabled_by=dr.DeviceEntryDisabler.USER)
    await hass.async_block_till_done()
    await advance(hass, freezer, 31)
    site = entry.runtime_data
    site.async_remove(site.fleet.records["datalogger/TEST123"])
    await advance(hass, freezer, 2)

    create = site.pages.async_create
    monkeypatch.setattr("custom_components.site_devices.site.arrivals._AT_ONCE", 1)
    monkeypatch.setattr(site.pages, "async_create", lambda record: (create(record), freezer.tick(0.01)))
    for serial in ("FIRST", "TEST123"):
        deliver(hass, f"sito_001/datalogger/monstro/{serial}/heartbeat", {"serial_number": serial})
    await hass.async_block_till_done()
    for _ in range(3):
        await advance(hass, freezer, 1)
    known = "2" if page(hass, entry).disabled_by is None else "1"
    assert counts(hass) == (known, known, "0")


async def test_a_count_that_fails_is_not_the_last_one(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await setup_site(hass)

    def fail() -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(entry.runtime_data.fleet, "counts", fail)
        for serial in ("A", "B"):
            await heartbeat(hass, serial=serial)
            await advance(hass, freezer, 1)
    assert counts(hass) == ("0", "0", "0")
    await heartbeat(hass, serial="C")
    await advance(hass, freezer, 1)
    assert counts(hass) == ("3", "3", "0")
    assert caplog.text.count("Failed to count the devices") == 1
    caplog.clear()
