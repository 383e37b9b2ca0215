"""Data entities: how much there may be, and what hostile devices send."""

from __future__ import annotations

from random import Random
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.json import json_bytes
import pytest

from custom_components.site_devices import async_remove_config_entry_device
from custom_components.site_devices.site.data_entities import MAX_DATA_POINTS
from custom_components.site_devices.site.options import SiteOptions

from .. import SITE, advance, change_hardware, deliver, heartbeat, page, publish, setup_site
from .reports import (
    SITE_ENTITIES,
    data_entities,
    entity_id,
    limit_issue,
    reload,
    report,
    room,
    set_options,
    settle,
    shown,
    site_with_device,
    told,
)

pytestmark = pytest.mark.usefixtures("broker", "quiet")

MANY: dict[str, Any] = {
    f"x{number}": number for number in range(MAX_DATA_POINTS + 1)
}  # one more than there is room for

# How much there may be


async def test_a_device_has_at_most_a_hundred_and_the_user_hears_of_it(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass, options={"offline_after": 3600})
    await report(hass, MANY)
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
    entry = await site_with_device(hass, options={"offline_after": 3600})
    await report(hass, MANY)
    raised = limit_issue(hass, entry)
    assert raised
    for _ in range(5):
        await advance(hass, freezer, 300)
        await report(hass, {"x0": 1})  # what fits says nothing of what does not
        assert await told(hass, entry, freezer) is raised
        await report(hass, {"x100": 1})
    await advance(hass, freezer, 601)
    assert limit_issue(hass, entry) is raised
    await report(hass, {"x0": 2})
    assert await told(hass, entry, freezer) is None


async def test_the_repair_goes_with_what_made_room(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await site_with_device(hass)
    await report(hass, MANY)
    assert await told(hass, entry, freezer)
    er.async_get(hass).async_remove(entity_id(hass, "in/x0"))
    await report(hass, MANY)
    assert shown(hass, "in/x100") == ["100"]
    assert await told(hass, entry, freezer)  # there is no place for another one
    er.async_get(hass).async_remove(entity_id(hass, "in/x1"))
    await report(hass, MANY)
    assert await told(hass, entry, freezer) is None


async def test_a_muted_or_deleted_device_and_data_that_is_off_are_in_no_repair(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await site_with_device(hass)
    await report(hass, MANY)
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
    await report(hass, MANY)
    assert await told(hass, entry, freezer)
    entry.runtime_data.async_remove(record)
    assert await told(hass, entry, freezer) is None
    assert not any((room(entry)._refused, room(entry)._arriving, room(entry)._entities))


async def test_hardware_that_goes_on_as_another_device_is_in_no_repair_until_it_is_refused_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await change_hardware(hass, freezer)
    await report(hass, MANY, serial="NEW")
    assert await told(hass, entry, freezer)
    records = entry.runtime_data.fleet.records
    entry.runtime_data.async_replace(records["datalogger/OLD"], records["datalogger/NEW"])
    assert await told(hass, entry, freezer) is None
    assert not any((room(entry)._refused, room(entry)._arriving))
    await report(hass, MANY, serial="NEW")
    assert data_entities(hass, entry) == MAX_DATA_POINTS
    assert await told(hass, entry, freezer)


async def test_a_deleted_device_starts_anew(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """What was removed of it comes back as well."""
    entry = await site_with_device(hass)
    await report(hass, {"x": 1, "y": 1})
    er.async_get(hass).async_remove(entity_id(hass, "in/x"))
    await advance(hass, freezer, 31)
    device = page(hass, entry)
    assert await async_remove_config_entry_device(hass, entry, device)
    dr.async_get(hass).async_remove_device(device.id)
    await settle(hass)
    assert data_entities(hass, entry) == 0
    await heartbeat(hass)
    await report(hass, {"x": 2})
    assert shown(hass, "in/x", "in/y") == ["2", None]


async def test_what_arrives_when_home_assistant_stops_makes_nothing(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
    deliver(hass, f"{SITE}/datalogger/monstro/1/input", {"serial_number": "TEST123", "x": 1})
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await settle(hass)
    assert data_entities(hass, entry) == 0


async def test_a_device_that_is_deleted_with_a_value_on_its_way_leaves_nothing(hass: HomeAssistant) -> None:
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass, options={"max_devices": 9_900 - SITE_ENTITIES - 3})
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
    entry = await site_with_device(hass)
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
    entry = await site_with_device(hass)
    data: dict[str, Any] = {"a.b": 1, "a b": 2, "a": {"b": 3}, "a_b": 4, "A b": 5, "a/b": 6, "a%2Eb": 7, "__class__": 8}
    data |= {"😀": 9, "_": 10, "connectivity": 11, "温度": 12, "x" * 64: {"y" * 64: {"z" * 64: {"ä" * 64: 13}}}}
    await report(hass, data)
    entries = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    states = {entry.entity_id: hass.states.get(entry.entity_id) for entry in entries if "/in/" in entry.unique_id}
    assert sorted(int(state.state) for state in states.values() if state) == list(range(1, 14))
    assert all(len(entity) <= 255 for entity in states)


async def test_whatever_is_reported_no_state_write_raises_and_all_can_be_saved(hass: HomeAssistant) -> None:
    """The `quiet` fixture sees to it that nothing is logged; units and kinds change at random under the same names."""
    await site_with_device(hass)
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
    scalars: list[Any] = [0, -1, 1.5, 2**63 - 1, 2**63, 2**64, -(2**70), 1e300, 5e-324, True, False, None, "", "on"]
    scalars += ["unknown", "12", "１２", "1_000", "nan", "inf", "😀" * 300, "\x00\x1f\n", "x" * 1000, [], [1, [2]], {}]
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
    await site_with_device(hass)
    await report(hass, {"x": {"value": 1, "unit": "kWh"}})
    for number in ("9223372036854775808", "1" + "0" * 400, "1e400", "-1e308", "NaN", "Infinity"):
        payload = f'{{"serial_number": "TEST123", "x": {{"value": {number}, "unit": "kWh"}}}}'
        await publish(hass, f"{SITE}/datalogger/monstro/1/input", payload)
        assert shown(hass, "in/x")[0] in ("unknown", "1")  # or no JSON at all
        await report(hass, {"x": {"value": 1, "unit": "kWh"}})
        assert shown(hass, "in/x") == ["1"]
