"""Data entities: what devices report on input, output and with their heartbeats."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.site.data_entities import MAX_DATA_POINTS

from .. import SITE, advance, deliver, entity_state, heartbeat, lose_connection, regain_connection, setup_site
from .reports import A, data_entities, entity_id, reload, report, room, set_options, shown, site_with_device

pytestmark = pytest.mark.usefixtures("broker", "quiet")

# What becomes an entity


async def test_each_leaf_is_an_entity_of_its_device(hass: HomeAssistant) -> None:
    await site_with_device(hass)
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
    entry = await site_with_device(hass)
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


# When it is known


async def test_values_are_unavailable_while_their_device_is_offline_and_back_with_its_heartbeat(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, writes: Callable[[], list[str]]
) -> None:
    await site_with_device(hass)
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
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass)
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
    await site_with_device(hass)
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
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass)
    await report(hass, {"x": 1})
    await hass.config_entries.async_unload(entry.entry_id)
    er.async_get(hass).async_remove(entity_id(hass, "in/x"))
    er.async_get(hass).deleted_entities.clear()
    await hass.config_entries.async_setup(entry.entry_id)
    await heartbeat(hass)
    await report(hass, {"x": 2})
    assert shown(hass, "in/x") == ["2"]


async def test_a_disabled_entity_stays_so_until_it_is_enabled(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
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
    await site_with_device(hass)
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
    entry = await site_with_device(hass)
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
