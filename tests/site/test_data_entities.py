"""What devices report on input, output and with their heartbeats, as entities in Home Assistant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import json
import logging
from pathlib import Path
from random import Random
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
from homeassistant.helpers.json import json_bytes
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed_exact,
)

from custom_components.site_devices import async_remove_config_entry_device
from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.entity import DataEntity
from custom_components.site_devices.site.data_entities import MAX_DATA_POINTS, DataEntities
from custom_components.site_devices.site.options import SiteOptions

from .. import (
    SITE,
    advance,
    change_hardware,
    deliver,
    entity_state,
    heartbeat,
    lose_connection,
    page,
    publish,
    regain_connection,
    setup_site,
)

pytestmark = pytest.mark.usefixtures("broker", "quiet")

A = "datalogger/TEST123"
TURNS = 30
SITE_ENTITIES = 7  # connectivity, problem, three counts, events, monitoring


async def report(
    hass: HomeAssistant,
    data: dict[str, Any],
    channel: str = "input",
    *,
    address: str = "datalogger/monstro/1",
    serial: str = "TEST123",
    retain: bool = False,
) -> None:
    """Let a device report what it measures or drives."""
    await publish(hass, f"{SITE}/{address}/{channel}", {"serial_number": serial, **data}, retain=retain)
    await settle(hass)


async def settle(hass: HomeAssistant) -> None:
    """Let new entities be made: a few in each turn of the loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


def shown(hass: HomeAssistant, *keys: str, device: str = A, platform: str = "sensor") -> list[str | None]:
    """Return what a device's data entities show, None for those that are not there."""
    states = [entity_state(hass, f"{device}/{key}", platform) for key in keys]
    return [state.state if state else None for state in states]


def entity_id(hass: HomeAssistant, key: str, device: str = A, platform: str = "sensor") -> str:
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{SITE}/{device}/{key}")
    assert found
    return found


def data_entities(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Count the registered entities that show data."""
    entries = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return sum(entry.unique_id.count("/") > 3 for entry in entries)


def room(entry: MockConfigEntry) -> DataEntities:
    data = entry.runtime_data.data
    assert isinstance(data, DataEntities)
    return data


def limit_issue(hass: HomeAssistant, entry: MockConfigEntry) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{entry.entry_id}_data_limit")


async def told(hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory) -> ir.IssueEntry | None:
    """Return the issue once its cause was checked, which is once a second at most."""
    await advance(hass, freezer, 1.1)
    return limit_issue(hass, entry)


async def reload(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


def set_options(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> None:
    hass.config_entries.async_update_entry(entry, options={**entry.options, **options})


@pytest.fixture
def writes(hass: HomeAssistant) -> Callable[[], list[str]]:
    """Return a function that gives the entity ids of devices whose states were written since the last call, in order."""
    written: list[str] = []

    @callback
    def wrote(event: Event[Any]) -> None:
        if "monstro" in event.data["entity_id"]:
            written.append(event.data["entity_id"])

    @callback
    def every(_data: Any) -> bool:
        return True

    hass.bus.async_listen(EVENT_STATE_CHANGED, wrote)
    hass.bus.async_listen(EVENT_STATE_REPORTED, wrote, event_filter=every)

    def take() -> list[str]:
        taken = written.copy()
        written.clear()
        return taken

    return take


# What becomes an entity


async def test_each_leaf_is_an_entity_of_its_device(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(
        hass, {"temperature": {"value": 21.5, "unit": "C"}, "mode": "auto", "door": True, "phase": {"l1": 230}}
    )
    await report(hass, {"relay": False, "level": 3}, "output")
    assert shown(hass, "in/temperature", "in/mode", "in/phase.l1", "out/level") == ["21.5", "auto", "230", "3"]
    assert shown(hass, "in/door", "out/relay", platform="binary_sensor") == ["on", "off"]
    names = {hass.states.get(entity).attributes["friendly_name"] for entity in hass.states.async_entity_ids()}
    assert {"monstro/1 phase l1", "monstro/1 Output relay", "monstro/1 Output level", "monstro/1 mode"} <= names
    devices = dr.async_entries_for_config_entry(
        dr.async_get(hass), hass.config_entries.async_entries(DOMAIN)[0].entry_id
    )
    assert len(devices) == 2  # the site's and this one


async def test_a_gateway_reports_too(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass, "gateway/1", "G")
    await report(hass, {"cpu": 40}, address="gateway/1", serial="G")
    assert shown(hass, "in/cpu", device="gateway/G") == ["40"]


async def test_numbers_of_a_heartbeat_are_diagnostics_and_off_at_first(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, rssi=-70, uptime=5, note="text", ok=True, nested={"free": 1}, empty=None)
    registry = er.async_get(hass)
    for key in ("hb/rssi", "hb/uptime", "hb/nested.free"):
        known = registry.async_get(entity_id(hass, key))
        assert known
        assert known.entity_category == "diagnostic"
        assert known.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    assert data_entities(hass, entry) == 3
    assert room(entry)._arriving == {}

    registry.async_update_entity(entity_id(hass, "hb/rssi"), disabled_by=None)
    await reload(hass, entry)
    assert shown(hass, "hb/rssi") == ["unknown"]
    await heartbeat(hass, rssi=-71)
    assert shown(hass, "hb/rssi", "hb/uptime") == ["-71", None]
    await heartbeat(hass, rssi=None)
    assert shown(hass, "hb/rssi") == ["unknown"]


async def test_a_retained_report_shows_its_values_when_the_device_is_alive(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass, retain=True)
    await report(hass, {"x": 1}, retain=True)
    assert shown(hass, "in/x") == ["unavailable"]
    await heartbeat(hass)
    assert shown(hass, "in/x") == ["1"]


async def test_values_that_come_before_their_entity_is_there_are_not_lost(hass: HomeAssistant) -> None:
    await setup_site(hass)
    for channel, value in (("heartbeat", 0), ("input", 1), ("input", 2)):
        deliver(
            hass,
            f"{SITE}/datalogger/monstro/1/{channel}",
            {"serial_number": "TEST123", "x": {"value": value, "unit": "V" if value == 1 else "A"}},
        )
    await hass.async_block_till_done()
    state = entity_state(hass, f"{A}/in/x", "sensor")
    assert state
    assert (state.state, state.attributes["device_class"]) == ("2", "current")


DOCUMENTED = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8").splitlines()
    if line.startswith('| `"')
]


@pytest.mark.parametrize(("payload", "entity", "value", "device_class", "state_class"), DOCUMENTED)
async def test_the_documentation_says_what_a_payload_becomes(
    hass: HomeAssistant, payload: str, entity: str, value: str, device_class: str, state_class: str
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, json.loads(f"{{{payload.strip('`')}}}"))
    if entity == "nothing":
        assert data_entities(hass, entry) == 0
        return
    platform, _, name = entity.strip("*").partition(" *")
    state = hass.states.get(f"{platform}.monstro_1_{name.replace(' ', '_')}")
    assert state
    shows = " ".join(filter(None, (state.state, state.attributes.get("unit_of_measurement"))))
    classes = [state.attributes.get(key, "none") for key in ("device_class", "state_class")]
    assert (state.name, shows, *classes) == (f"monstro/1 {name}", value, device_class, state_class)


def test_the_documentation_has_every_kind_of_value() -> None:
    assert len(DOCUMENTED) > 10


# What is written when


async def test_of_a_message_only_what_changed_is_written(hass: HomeAssistant, writes: Callable[[], list[str]]) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    values: dict[str, Any] = {f"x{number}": number for number in range(30)}
    values |= {f"t{number}": "text" for number in range(10)} | {f"b{number}": True for number in range(10)}
    await report(hass, values)
    assert shown(hass, "in/x0", "in/x29", "in/t9") == ["0", "29", "text"]
    writes()
    await report(hass, values)
    await heartbeat(hass)
    assert writes() == []
    await report(hass, values | {"x7": 7.5})
    assert writes() == [entity_id(hass, "in/x7")]
    await report(hass, values | {"x7": 7.5, "b3": False, "t1": "other"})
    changed = [entity_id(hass, "in/b3", platform="binary_sensor"), entity_id(hass, "in/t1")]
    assert sorted(writes()) == changed


async def test_with_an_interval_the_last_value_of_it_is_shown_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, writes: Callable[[], list[str]]
) -> None:
    entry = await setup_site(hass, options={"data_interval": 10, "offline_after": 3600})
    await heartbeat(hass)
    await report(hass, {"x": 0, "y": 0})
    x, y = entity_id(hass, "in/x"), entity_id(hass, "in/y")
    writes()
    await report(hass, {"x": 1})  # the first one after a pause is not held back
    assert writes() == [x]
    for value in (2, 3, 4):
        await report(hass, {"x": value})
    await advance(hass, freezer, 4)
    await report(hass, {"x": 5, "y": 1})
    await report(hass, {"y": 2})
    assert writes() == [y]
    assert shown(hass, "in/x", "in/y") == ["1", "1"]
    timers = [timer for timer in hass.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    assert sum(getattr(timer._callback, "__self__", None) is room(entry)._timer for timer in timers) == 1
    await advance(hass, freezer, 5.9)
    assert writes() == []
    await advance(hass, freezer, 0.2)
    assert writes() == [x]
    assert shown(hass, "in/x", "in/y") == ["5", "1"]
    await advance(hass, freezer, 4)
    assert writes() == [y]
    assert shown(hass, "in/x", "in/y") == ["5", "2"]
    await advance(hass, freezer, 100)
    assert writes() == []
    for value in (6, 7):
        await report(hass, {"x": value})
    freezer.tick(11)  # the timer comes late
    await report(hass, {"x": 8})
    await advance(hass, freezer, 0)
    assert writes() == [x, x]
    assert shown(hass, "in/x") == ["8"]


async def test_a_shorter_interval_counts_at_once(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass, options={"data_interval": 3600, "offline_after": 7200})
    await heartbeat(hass)
    await report(hass, {"x": 0, "y": 0, "z": 0})
    await report(hass, {"x": 1, "y": 1, "z": 1})
    await advance(hass, freezer, 1)
    await report(hass, {"x": 2, "y": 2})
    set_options(hass, entry, data_interval=5)
    await hass.async_block_till_done()
    await advance(hass, freezer, 3)
    assert shown(hass, "in/x", "in/y") == ["1", "1"]
    await advance(hass, freezer, 1.1)
    assert shown(hass, "in/x", "in/y") == ["2", "2"]
    await report(hass, {"z": 2})  # its last write is more than five seconds ago, though less than an hour
    assert shown(hass, "in/z") == ["2"]
    await report(hass, {"z": 3})
    set_options(hass, entry, data_interval=0)
    await advance(hass, freezer, 0)
    assert shown(hass, "in/z") == ["3"]
    await report(hass, {"z": 4})
    assert shown(hass, "in/z") == ["4"]


async def test_many_that_are_due_at_once_are_written_in_slices(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.pacing.SLICE", 0)
    await setup_site(hass, options={"data_interval": 10})
    await heartbeat(hass)
    keys = [f"in/x{number}" for number in range(20)]
    for value in (0, 1, 2):
        await report(hass, {f"x{number}": value for number in range(20)})
    assert shown(hass, *keys) == ["1"] * 20
    freezer.tick(10.1)
    async_fire_time_changed_exact(hass)
    written = [shown(hass, *keys).count("2")]
    while written[-1] < 20:
        await asyncio.sleep(0)
        written.append(shown(hass, *keys).count("2"))
    assert sorted(set(written)) == list(range(21))  # with no time at all, one in each turn of the loop


async def test_an_entity_waits_once_however_many_messages_come(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"data_interval": 10, "offline_after": 3600})
    await heartbeat(hass)
    for value in range(50):
        await report(hass, {"x": value, "y": value})
    assert len(room(entry)._due) == 2
    await advance(hass, freezer, 10.1)
    assert room(entry)._due == []
    for value in range(50):  # and again, once it was written
        await report(hass, {"x": -value, "y": -value})
    assert len(room(entry)._due) == 2


async def test_an_entity_that_is_due_before_those_that_wait_is_written_in_time(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await setup_site(hass, options={"data_interval": 10, "offline_after": 3600})
    await heartbeat(hass)
    await report(hass, {"x": 0, "y": 0})
    await report(hass, {"x": 1})
    await advance(hass, freezer, 5)
    await report(hass, {"y": 1})
    await report(hass, {"y": 2})  # due in ten seconds
    await report(hass, {"x": 2})  # in five
    await advance(hass, freezer, 5.1)
    assert shown(hass, "in/x", "in/y") == ["2", "1"]
    await advance(hass, freezer, 5)
    assert shown(hass, "in/x", "in/y") == ["2", "2"]


@pytest.mark.parametrize("interval", [0, 10])
async def test_an_entity_that_can_not_be_written_keeps_no_other_from_it(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    interval: int,
) -> None:
    await setup_site(hass, options={"data_interval": interval, "offline_after": 3600})
    await heartbeat(hass)
    await report(hass, {"x": 0, "y": 0})
    write, failing = DataEntity.async_write, {"in/x"}

    def sometimes(entity: DataEntity) -> None:
        if entity.key in failing:
            raise ValueError(entity.key)
        write(entity)

    monkeypatch.setattr(DataEntity, "async_write", sometimes)
    for value in (1, 2, 3):
        await report(hass, {"x": value, "y": value})
        await advance(hass, freezer, 10.1)
        assert shown(hass, "in/x", "in/y") == ["0", str(value)]
    complaints = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage().partition(";")[0] for record in complaints] == ["Failed to show reported data"]
    failing.clear()
    await report(hass, {"x": 4})
    await advance(hass, freezer, 10.1)
    assert shown(hass, "in/x") == ["4"]
    caplog.clear()  # what it says was looked at


async def test_what_waits_for_its_interval_is_not_lost_by_a_reload(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"data_interval": 3600})
    await heartbeat(hass)
    for value in (0, 1, 2):
        await report(hass, {"x": value})
    assert shown(hass, "in/x") == ["1"]
    await reload(hass, entry)
    assert shown(hass, "in/x") == ["2"]


async def test_what_is_disabled_while_it_waits_is_not_written(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, writes: Callable[[], list[str]]
) -> None:
    await setup_site(hass, options={"data_interval": 10})
    await heartbeat(hass)
    for value in (0, 1, 2):
        await report(hass, {"x": value})
    er.async_get(hass).async_update_entity(entity_id(hass, "in/x"), disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    writes()
    await advance(hass, freezer, 11)
    assert writes() == []


# When it is known


async def test_values_are_unavailable_while_their_device_is_offline_and_back_with_its_heartbeat(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, writes: Callable[[], list[str]]
) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1, "b": True})
    await advance(hass, freezer, 31)
    assert shown(hass, "in/x") + shown(hass, "in/b", platform="binary_sensor") == ["unavailable"] * 2
    writes()
    await report(hass, {"x": 2})  # no sign of life
    assert shown(hass, "in/x") == ["unavailable"]
    assert writes() == []
    await heartbeat(hass)
    assert shown(hass, "in/x") + shown(hass, "in/b", platform="binary_sensor") == ["2", "on"]


async def test_values_are_unavailable_while_nothing_can_be_heard(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    entry.runtime_data.async_set_monitoring(False)  # which is about judging, and leaves data alone
    await report(hass, {"x": 1})
    assert shown(hass, "in/x") == ["1"]

    lose_connection(hass)
    await advance(hass, freezer, 59)
    assert shown(hass, "in/x") == ["1"]
    await advance(hass, freezer, 2)
    assert shown(hass, "in/x") == ["unavailable"]
    regain_connection(hass)
    await hass.async_block_till_done()
    assert shown(hass, "in/x") == ["1"]


async def test_a_restart_brings_values_back_also_those_of_a_device_that_was_offline(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": {"value": 1.5, "unit": "kWh"}, "t": "auto", "b": True})
    await reload(hass, entry)
    assert shown(hass, "in/x", "in/t") + shown(hass, "in/b", platform="binary_sensor") == ["1.5", "auto", "on"]
    await advance(hass, freezer, 31)
    await reload(hass, entry)
    assert shown(hass, "in/x", "in/t") == ["unavailable"] * 2
    await heartbeat(hass)
    assert shown(hass, "in/x", "in/t") + shown(hass, "in/b", platform="binary_sensor") == ["1.5", "auto", "on"]
    state = entity_state(hass, f"{A}/in/x", "sensor")
    assert state
    assert state.attributes["state_class"] == "total_increasing"


async def test_a_value_that_does_not_fit_is_unknown_until_one_fits_again(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1, "t": "a", "b": True})
    unfit: list[Any] = ["text", True, None, [1], {"y": {}}, 2**64]
    for other in unfit:
        await report(hass, {"x": other})
        assert shown(hass, "in/x") == ["unknown"]
        await report(hass, {"x": 2})
        assert shown(hass, "in/x") == ["2"]
    await report(hass, {"t": 1, "b": 1})
    assert shown(hass, "in/t") + shown(hass, "in/b", platform="binary_sensor") == ["unknown"] * 2
    await report(hass, {"t": "b", "b": False})
    assert shown(hass, "in/t") + shown(hass, "in/b", platform="binary_sensor") == ["b", "off"]


async def test_data_points_are_stored_with_their_device(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": {"value": 1, "unit": "V"}, "b": True, "gone": "text"})
    er.async_get(hass).async_remove(entity_id(hass, "in/gone"))
    await hass.config_entries.async_unload(entry.entry_id)
    (device,) = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]["devices"]
    assert {key: list(point) for key, point in device["data"].items()} == {
        "in/x": ["number", "V", False],
        "in/b": ["boolean", None, False],
        "in/gone": ["text", None, True],
    }


# What the user does


async def test_a_removed_entity_stays_away_and_leaves_its_place(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    values = {f"x{number}": number for number in range(MAX_DATA_POINTS)}
    await report(hass, values)
    er.async_get(hass).async_remove(entity_id(hass, "in/x5"))
    await hass.async_block_till_done()
    await report(hass, values | {"x5": 6})
    assert data_entities(hass, entry) == MAX_DATA_POINTS - 1
    await report(hass, values | {"new": 1})
    assert shown(hass, "in/new") == ["1"]
    await reload(hass, entry)
    await report(hass, values | {"x5": 7})
    assert data_entities(hass, entry) == MAX_DATA_POINTS
    assert er.async_get(hass).async_get_entity_id("sensor", DOMAIN, f"{SITE}/{A}/in/x5") is None


async def test_what_was_removed_while_disabled_or_not_loaded_stays_away(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, rssi=-70)
    await report(hass, {"x": 1, "y": 2, "b": True})
    registry = er.async_get(hass)
    registry.async_remove(entity_id(hass, "hb/rssi"))
    await hass.config_entries.async_unload(entry.entry_id)
    registry.async_remove(entity_id(hass, "in/x"))
    registry.async_remove(entity_id(hass, "in/b", platform="binary_sensor"))
    await hass.config_entries.async_setup(entry.entry_id)
    await heartbeat(hass, rssi=-71)
    await report(hass, {"x": 3, "y": 4, "b": False})
    assert data_entities(hass, entry) == 1
    assert shown(hass, "in/y") == ["4"]


async def test_what_a_crash_kept_from_the_registry_comes_back(hass: HomeAssistant) -> None:
    """It is not registered, as what the user removed; but it was not removed."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1})
    await hass.config_entries.async_unload(entry.entry_id)
    er.async_get(hass).async_remove(entity_id(hass, "in/x"))
    er.async_get(hass).deleted_entities.clear()
    await hass.config_entries.async_setup(entry.entry_id)
    await heartbeat(hass)
    await report(hass, {"x": 2})
    assert shown(hass, "in/x") == ["2"]


async def test_a_disabled_entity_stays_so_until_it_is_enabled(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1, "y": 1})
    registry, disabled = er.async_get(hass), entity_id(hass, "in/x")
    registry.async_update_entity(disabled, disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    for _ in range(2):
        await report(hass, {"x": 2, "y": 2})
        assert shown(hass, "in/x", "in/y") == [None, "2"]
        await reload(hass, entry)
    registry.async_update_entity(disabled, disabled_by=None)
    await reload(hass, entry)
    await report(hass, {"x": 3})
    assert shown(hass, "in/x") == ["3"]


async def test_new_entities_that_the_user_wants_disabled_keep_no_value(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    hass.config_entries.async_update_entry(entry, pref_disable_new_entities=True)
    await heartbeat(hass)
    await report(hass, {"x": 1})
    assert data_entities(hass, entry) == 1
    assert shown(hass, "in/x") == [None]
    for keys in (["in/x"], ["in/x", "in/y"], ["in/y"], ["in/y"], []):  # for a minute, however many come meanwhile
        await report(hass, {"x": 1} | ({"y": 1} if "in/y" in keys else {}))
        assert [key for _, key in room(entry)._arriving] == keys
        await advance(hass, freezer, 30)


async def test_an_entity_that_gets_another_id_goes_on(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1})
    registry, before = er.async_get(hass), entity_id(hass, "in/x")
    registry.async_update_entity(before, new_entity_id="sensor.mine")
    await hass.async_block_till_done()
    assert shown(hass, "in/x") == ["1"]
    await report(hass, {"x": 2})
    registry.async_update_entity("sensor.mine", new_entity_id=before)
    await hass.async_block_till_done()
    assert shown(hass, "in/x") == ["2"]  # not what it was when it last had this id
    await report(hass, {"x": 3})
    assert shown(hass, "in/x") == ["3"]


async def test_data_entities_off_makes_and_updates_none_and_removes_none(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1})
    set_options(hass, entry, data_entities=False)
    await hass.async_block_till_done()
    await report(hass, {"x": 2, "y": 2})
    await heartbeat(hass, rssi=-70)
    assert shown(hass, "in/x") == ["1"]
    assert data_entities(hass, entry) == 1
    await advance(hass, freezer, 31)
    await heartbeat(hass)
    assert shown(hass, "in/x") == ["1"]
    set_options(hass, entry, data_entities=True)
    await hass.async_block_till_done()
    await report(hass, {"x": 3, "y": 3})
    assert shown(hass, "in/x", "in/y") == ["3", "3"]


# How much there may be


async def test_a_device_has_at_most_a_hundred_and_the_user_hears_of_it(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {f"x{number}": number for number in range(10_000)})
    assert data_entities(hass, entry) == MAX_DATA_POINTS
    assert shown(hass, "in/x99", "in/x100") == ["99", None]
    issue = limit_issue(hass, entry)
    assert issue
    assert issue.translation_placeholders
    assert issue.translation_placeholders.items() >= {"count": "1", "devices": "monstro/1 (TEST123)"}.items()
    await reload(hass, entry)
    assert limit_issue(hass, entry) is None  # until it is refused again
    await report(hass, {"x100": 1})
    assert limit_issue(hass, entry)


async def test_ten_thousand_names_over_time_leave_nothing_behind(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    for number in range(0, 10_000, 50):
        deliver(
            hass,
            f"{SITE}/datalogger/monstro/1/input",
            {"serial_number": "TEST123", **{f"x{number + more}": 1 for more in range(50)}},
        )
    await settle(hass)
    assert data_entities(hass, entry) == MAX_DATA_POINTS
    (record,) = entry.runtime_data.fleet.records.values()
    assert len(record.data) == MAX_DATA_POINTS
    assert len(room(entry)._refused) == 1
    assert room(entry)._arriving == {}


async def test_a_device_is_in_the_repair_until_no_channel_is_refused(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"offline_after": 3600})
    await heartbeat(hass)
    many = {f"x{number}": number for number in range(MAX_DATA_POINTS + 1)}
    await report(hass, many)
    await report(hass, {"y": 1}, "output")
    await advance(hass, freezer, 601)
    await report(hass, {}, "output")
    assert await told(hass, entry, freezer)
    await report(hass, {})
    assert await told(hass, entry, freezer) is None


async def test_heartbeats_are_limited_too(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    flood: dict[str, Any] = {f"x{number}": number for number in range(150)}
    await heartbeat(hass, **flood)
    await settle(hass)
    assert data_entities(hass, entry) == MAX_DATA_POINTS
    assert limit_issue(hass, entry)


async def test_the_repair_neither_flickers_nor_stays(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass, options={"offline_after": 3600})
    await heartbeat(hass)
    many = {f"x{number}": number for number in range(MAX_DATA_POINTS)}
    await report(hass, many | {"y": 1})
    raised = limit_issue(hass, entry)
    assert raised
    for _ in range(5):
        await advance(hass, freezer, 300)
        await report(hass, {"x0": 1})  # what fits says nothing of what does not
        assert await told(hass, entry, freezer) is raised
        await report(hass, {"y": 1})
    await advance(hass, freezer, 601)
    assert limit_issue(hass, entry) is raised
    await report(hass, {"x0": 2})
    assert await told(hass, entry, freezer) is None


async def test_the_repair_goes_with_what_made_room(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    many = {f"x{number}": number for number in range(MAX_DATA_POINTS + 1)}
    await report(hass, many)
    assert await told(hass, entry, freezer)
    er.async_get(hass).async_remove(entity_id(hass, "in/x0"))
    await report(hass, many)
    assert shown(hass, "in/x100") == ["100"]
    assert await told(hass, entry, freezer)  # there is no place for another one
    er.async_get(hass).async_remove(entity_id(hass, "in/x1"))
    await report(hass, many)
    assert await told(hass, entry, freezer) is None


async def test_a_muted_or_deleted_device_and_data_that_is_off_are_in_no_repair(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    many = {f"x{number}": number for number in range(MAX_DATA_POINTS + 1)}
    await report(hass, many)
    assert await told(hass, entry, freezer)
    (record,) = entry.runtime_data.fleet.records.values()
    devices, device_id = dr.async_get(hass), entry.runtime_data.pages.device_id(record)
    devices.async_update_device(device_id, disabled_by=dr.DeviceEntryDisabler.USER)
    assert await told(hass, entry, freezer) is None
    devices.async_update_device(device_id, disabled_by=None)
    assert await told(hass, entry, freezer)

    set_options(hass, entry, data_interval=1)
    assert await told(hass, entry, freezer)
    set_options(hass, entry, data_entities=False)
    assert await told(hass, entry, freezer) is None
    set_options(hass, entry, data_entities=True)
    await hass.async_block_till_done()
    await report(hass, many)
    assert await told(hass, entry, freezer)
    entry.runtime_data.async_remove(record)
    assert await told(hass, entry, freezer) is None
    assert not any((room(entry)._refused, room(entry)._arriving, room(entry)._entities))


async def test_hardware_that_goes_on_as_another_device_is_in_no_repair_until_it_is_refused_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await change_hardware(hass, freezer)
    many = {f"x{number}": number for number in range(MAX_DATA_POINTS + 1)}
    await report(hass, many, serial="NEW")
    assert await told(hass, entry, freezer)
    records = entry.runtime_data.fleet.records
    entry.runtime_data.async_replace(records["datalogger/OLD"], records["datalogger/NEW"])
    assert await told(hass, entry, freezer) is None
    assert not any((room(entry)._refused, room(entry)._arriving))
    await report(hass, many, serial="NEW")
    assert data_entities(hass, entry) == MAX_DATA_POINTS
    assert await told(hass, entry, freezer)


async def test_a_deleted_device_starts_anew(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """What was removed of it comes back as well."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1, "y": 1})
    er.async_get(hass).async_remove(entity_id(hass, "in/x"))
    await advance(hass, freezer, 31)
    device = page(hass, entry)
    assert await async_remove_config_entry_device(hass, entry, device)
    await settle(hass)
    assert data_entities(hass, entry) == 0
    await heartbeat(hass)
    await report(hass, {"x": 2})
    assert shown(hass, "in/x", "in/y") == ["2", None]


async def test_what_arrives_when_home_assistant_stops_makes_nothing(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    deliver(hass, f"{SITE}/datalogger/monstro/1/input", {"serial_number": "TEST123", "x": 1})
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await settle(hass)
    assert data_entities(hass, entry) == 0


async def test_a_device_that_is_deleted_with_a_value_on_its_way_leaves_nothing(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    (record,) = entry.runtime_data.fleet.records.values()
    deliver(hass, f"{SITE}/datalogger/monstro/1/input", {"serial_number": "TEST123", "x": 1})
    assert room(entry)._arriving
    entry.runtime_data.async_remove(record)
    assert room(entry)._arriving == {}
    await settle(hass)
    assert data_entities(hass, entry) == 0
    assert len(dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)) == 1


async def test_connectivity_of_the_devices_to_come_goes_before_data(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass, options={"max_devices": 9_900 - SITE_ENTITIES - 3, "offline_after": 3600})
    await heartbeat(hass, rssi=-70)  # disabled, and needs no room
    values = {f"x{number}": number for number in range(20)}
    await report(hass, values)
    assert data_entities(hass, entry) == 1 + 3
    assert await told(hass, entry, freezer)
    await heartbeat(hass, "datalogger/monstro/2", "B")  # takes the place that was kept for it
    await report(hass, values)
    await report(hass, values, address="datalogger/monstro/2", serial="B")
    assert data_entities(hass, entry) == 1 + 3
    issue = await told(hass, entry, freezer)
    assert issue
    assert issue.translation_placeholders
    assert issue.translation_placeholders["count"] == "2"

    # what the user disables is counted a minute later
    er.async_get(hass).async_update_entity(entity_id(hass, "in/x0"), disabled_by=er.RegistryEntryDisabler.USER)
    await report(hass, values)
    assert data_entities(hass, entry) == 1 + 3
    await advance(hass, freezer, 61)
    await report(hass, values)
    assert data_entities(hass, entry) == 1 + 4

    set_options(hass, entry, max_devices=1000)
    await hass.async_block_till_done()
    await report(hass, values)
    await report(hass, values, address="datalogger/monstro/2", serial="B")
    assert data_entities(hass, entry) == 1 + 40
    assert await told(hass, entry, freezer) is None


async def test_what_is_on_its_way_has_taken_its_place(hass: HomeAssistant) -> None:
    entry = await setup_site(hass, options={"max_devices": 9_900 - SITE_ENTITIES - 3})
    await heartbeat(hass)
    for name in ("a", "b"):
        deliver(
            hass,
            f"{SITE}/datalogger/monstro/1/input",
            {"serial_number": "TEST123", **{f"{name}{number}": number for number in range(3)}},
        )
        room(entry).async_apply_options(SiteOptions.of(entry))  # it is counted anew
    await settle(hass)
    assert data_entities(hass, entry) == 3


async def test_allowing_more_devices_leaves_less_room(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": 1})
    set_options(hass, entry, max_devices=9_900)
    await hass.async_block_till_done()
    await report(hass, {"x": 1, "y": 1})
    assert data_entities(hass, entry) == 1
    assert await told(hass, entry, freezer)
    await heartbeat(hass, rssi=-70)  # disabled, and needs no room
    assert data_entities(hass, entry) == 2


# Hostile data


async def test_names_that_look_alike_have_entities_of_their_own(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    data: dict[str, Any] = {"a.b": 1, "a b": 2, "a": {"b": 3}, "a_b": 4, "A b": 5, "a/b": 6, "a%2Eb": 7, "__class__": 8}
    data |= {"😀": 9, "_": 10, "connectivity": 11, "温度": 12, "x" * 64: {"y" * 64: {"z" * 64: {"ä" * 64: 13}}}}
    await report(hass, data)
    entries = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    states = {entry.entity_id: hass.states.get(entry.entity_id) for entry in entries if "/in/" in entry.unique_id}
    assert sorted(int(state.state) for state in states.values() if state) == list(range(1, 14))
    assert all(len(entity) <= 255 for entity in states)


async def test_whatever_is_reported_no_state_write_raises_and_all_can_be_saved(hass: HomeAssistant) -> None:
    """The `quiet` fixture sees to it that nothing is logged; units and kinds change at random under the same names."""
    await setup_site(hass)
    await heartbeat(hass)
    chance = Random(1)
    units: list[Any] = [
        "°C",
        "F",
        "kWh",
        "%",
        "°",
        "m3",
        "V",
        "bananas",
        "",
        "\x00",
        "µg/m³",
        5,
        None,
        {},
        "x" * 10_000,
    ]
    scalars: list[Any] = [
        0,
        -1,
        1.5,
        2**63 - 1,
        2**63,
        2**64,
        -(2**70),
        1e300,
        5e-324,
        True,
        False,
        None,
        "",
        "on",
        "unknown",
    ]
    scalars += ["12", "１２", "1_000", "nan", "inf", "😀" * 300, "\x00\x1f\n", "x" * 1000, [], [1, [2]], {}]
    keys = ["temperature", "humidity", "net", "wind", "x", "a.b", "__class__", "{x}", "%s", "ö", "x" * 64, "y" * 65]

    def value(depth: int) -> Any:
        match chance.randrange(5 if depth < 6 else 3):
            case 0 | 1:
                return chance.choice(scalars)
            case 2:
                return {"value": chance.choice(scalars), "unit": chance.choice(units)}
            case _:
                return {chance.choice(keys): value(depth + 1) for _ in range(3)}

    for _ in range(300):
        data = {key: value(1) for key in chance.sample(keys, 6)}
        await report(hass, data, chance.choice(["input", "output"]))
        await heartbeat(hass, **{key: data[key] for key in data if key.isidentifier()})
    states = hass.states.async_all()
    assert len(states) > 50
    assert json_bytes([state.as_dict() for state in states])


async def test_numbers_beyond_all_bounds(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, {"x": {"value": 1, "unit": "kWh"}})
    for number in ("9223372036854775808", "1" + "0" * 400, "1e400", "-1e308", "NaN", "Infinity"):
        payload = f'{{"serial_number": "TEST123", "x": {{"value": {number}, "unit": "kWh"}}}}'
        await publish(hass, f"{SITE}/datalogger/monstro/1/input", payload)
        assert shown(hass, "in/x")[0] in ("unknown", "1")  # or no JSON at all
        await report(hass, {"x": {"value": 1, "unit": "kWh"}})
        assert shown(hass, "in/x") == ["1"]
