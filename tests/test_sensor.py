"""What sensors of data are: their units, classes and values, also when these change or come back from disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.sensor import SensorExtraStoredData
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM
import pytest
from pytest_homeassistant_custom_component.common import mock_restore_cache_with_extra_data
from syrupy.assertion import SnapshotAssertion

from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from simulator.devices import heartbeat as heartbeat_data, input_data, make_devices, output_data

from . import SITE, advance, entity_state, heartbeat, publish, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")

A = "datalogger/TEST123"
NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC).timestamp()


async def report(hass: HomeAssistant, **data: Any) -> None:
    await publish(hass, f"{SITE}/datalogger/monstro/1/input", {"serial_number": "TEST123", **data})
    await hass.async_block_till_done()


def quantity(value: object, unit: str | None) -> dict[str, object]:
    return {"value": value, "unit": unit}


def sensor(hass: HomeAssistant, key: str = "x") -> State:
    state = entity_state(hass, f"{A}/in/{key}", "sensor")
    assert state
    return state


def is_now(hass: HomeAssistant, key: str = "x") -> tuple[Any, ...]:
    """Return value, unit, device class and state class of a sensor."""
    state = sensor(hass, key)
    names = ("unit_of_measurement", "device_class", "state_class")
    return (state.state, *(state.attributes.get(name) for name in names))


async def stored_site(hass: HomeAssistant, hass_storage: dict[str, Any], data: dict[str, list[Any]]) -> None:
    """Set up a site that knew a device with these data points when it was saved."""
    device = {"key": A, "address": "monstro/1", "created": 0.0, "online": True, "last_heartbeat": 0.0, "data": data}
    entry = await setup_site(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    key = f"{DOMAIN}.{entry.entry_id}"
    saved = {"devices": [device], "deleted": [], "monitoring": True}
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": saved}
    assert entry.data[CONF_SITE_CODE] == SITE
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


async def test_the_entities_of_a_datalogger(hass: HomeAssistant, snapshot: SnapshotAssertion) -> None:
    """What the simulator sends, since it is what the demo and the documentation show."""
    entry = await setup_site(hass)
    device, chance = make_devices(SITE, dataloggers=1, gateways=0)[0], Random(1)
    await publish(hass, device.topic("heartbeat"), heartbeat_data(device, NOON, 60, chance))
    await publish(hass, device.topic("input"), input_data(device, NOON, chance))
    await publish(hass, device.topic("output"), output_data(device, NOON))
    for _ in range(10):
        await hass.async_block_till_done()
    found = {}
    for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        if device.serial not in entity.unique_id:
            continue
        state = hass.states.get(entity.entity_id)
        found[entity.entity_id] = {
            "unique_id": entity.unique_id,
            "category": entity.entity_category and str(entity.entity_category),
            "disabled_by": entity.disabled_by and str(entity.disabled_by),
            "state": state and state.state,
            "attributes": state and {str(name): str(value) for name, value in sorted(state.attributes.items())},
        }
    assert dict(sorted(found.items())) == snapshot


# The last heartbeat


async def test_the_last_heartbeat_is_off_at_first_and_then_written_once_a_minute_and_at_each_flip(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(datetime(2026, 6, 21, 11, 59, tzinfo=UTC))
    await setup_site(hass)
    await heartbeat(hass)
    entity_id = "sensor.monstro_1_last_heartbeat"
    entity = er.async_get(hass).async_get(entity_id)
    assert entity
    assert (entity.disabled_by, entity.entity_category) == ("integration", "diagnostic")
    er.async_get(hass).async_update_entity(entity_id, disabled_by=None)
    await advance(hass, freezer, 60)  # Home Assistant loads the entry again half a minute later
    seen = []

    async def beat() -> None:
        await heartbeat(hass)
        note()

    def note() -> None:
        state = hass.states.get(entity_id)
        assert state
        seen.append(state.state[11:19])

    await beat()
    for _ in range(13):
        await advance(hass, freezer, 10)
        await beat()
    for _ in range(4):
        await advance(hass, freezer, 10)
    note()
    await beat()
    assert seen == [*["12:00:00"] * 6, *["12:01:00"] * 6, *["12:02:00"] * 2, "12:02:10", "12:02:50"]


async def test_there_is_no_last_heartbeat_before_the_first_live_one(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, retain=True)
    er.async_get(hass).async_update_entity("sensor.monstro_1_last_heartbeat", disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    state = hass.states.get("sensor.monstro_1_last_heartbeat")
    assert state
    assert state.state == "unknown"


# Units


async def test_a_unit_that_arrives_later_or_changes_is_followed(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, x=1)
    assert is_now(hass) == ("1", None, None, "measurement")
    await report(hass, x=quantity(1, "kWh"))
    assert is_now(hass) == ("1", "kWh", "energy", "total_increasing")
    await report(hass, x=2)  # it says nothing of the unit
    assert is_now(hass) == ("2", "kWh", "energy", "total_increasing")
    await report(hass, x=quantity(20, "C"))
    assert is_now(hass) == ("20", "°C", "temperature", "measurement")
    await report(hass, x=quantity(3, "bananas"))
    assert is_now(hass) == ("3", "bananas", None, "measurement")
    await hass.config_entries.async_reload(entry.entry_id)
    assert is_now(hass) == ("3", "bananas", None, "measurement")


async def test_text_and_booleans_have_neither_unit_nor_class(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, x=quantity("12", "V"))
    assert is_now(hass) == ("12", None, None, None)


UNITS = ["kWh", "°F", "°C", "V", "%", "m³", "°", "m/s", "bananas", "dBm", "min", "µg/m³"]


@pytest.mark.parametrize("first", UNITS)
@pytest.mark.parametrize("metric", [True, False])
async def test_any_unit_may_follow_any_other(hass: HomeAssistant, first: str, metric: bool) -> None:
    """Also where Home Assistant converts, since the user's system has another unit."""
    if not metric:
        hass.config.units = US_CUSTOMARY_SYSTEM
    await setup_site(hass)
    await heartbeat(hass)
    for unit in UNITS:
        await report(hass, wind=quantity(1.5, first))
        for value in (1.5, 2**63 - 1, 10**30, -1, "text"):
            await report(hass, wind=quantity(value, unit))
        assert is_now(hass, "wind")[0] == "unknown"


@pytest.mark.parametrize(("unit", "chosen"), [("kWh", "MWh"), ("°C", "K"), ("V", "mV"), ("m/s", "km/h")])
async def test_a_unit_that_the_user_chose_does_not_outlive_its_class(
    hass: HomeAssistant, unit: str, chosen: str
) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, x=quantity(1000, unit))
    er.async_get(hass).async_update_entity_options(
        sensor(hass).entity_id, "sensor", {"unit_of_measurement": chosen, "display_precision": 2}
    )
    await hass.async_block_till_done()
    assert is_now(hass)[1] == chosen
    for other in UNITS:
        for value in (1, None, "text"):
            await report(hass, x=quantity(value, other))
    await report(hass, x=quantity(1000, "W" if unit != "W" else "V"))
    assert is_now(hass) == ("1000", "W", "power", "measurement")
    await report(hass, x=quantity(1000, unit))
    assert is_now(hass)[1] == chosen


@pytest.mark.parametrize(
    ("unit", "chosen", "value"),
    [("kWh/100km", "km/kWh", 0), ("kWh/100km", "km/kWh", 1e-310), ("Beaufort", "m/s", -1)],
)
async def test_a_value_that_has_none_in_the_unit_that_the_user_chose_is_unknown(
    hass: HomeAssistant, unit: str, chosen: str, value: float
) -> None:
    """Home Assistant itself would raise, or show an infinity."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    await report(hass, wind=quantity(4, unit))
    er.async_get(hass).async_update_entity_options(
        sensor(hass, "wind").entity_id, "sensor", {"unit_of_measurement": chosen}
    )
    await report(hass, wind=quantity(4, unit), other=1)
    assert float(is_now(hass, "wind")[0]) > 4
    await report(hass, wind=quantity(value, unit), other=2)
    assert is_now(hass, "wind")[:2] == ("unknown", chosen)
    assert is_now(hass, "other")[0] == "2"
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert is_now(hass, "wind")[:2] == ("unknown", chosen)
    await report(hass, wind=quantity(4, unit))
    assert float(is_now(hass, "wind")[0]) > 4


async def test_a_battery_shows_its_tenths_of_a_volt(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)

    def digits() -> object:
        entity = er.async_get(hass).async_get(sensor(hass).entity_id)
        assert entity
        options: Mapping[str, Any] = entity.options.get("sensor", {})
        return options.get("suggested_display_precision")

    for unit, shown in (("V", 1), ("Hz", 2), ("bananas", None), ("V", 1)):
        await report(hass, x=quantity(12.84, unit))
        assert digits() == shown
        assert sensor(hass).state == "12.84"  # what is stored has all of them


async def test_the_angle_of_the_wind(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await report(hass, wind=quantity(359, "°"))
    assert is_now(hass, "wind") == ("359", "°", "wind_direction", "measurement_angle")
    await report(hass, wind=quantity(3, "m/s"))
    assert is_now(hass, "wind") == ("3", "m/s", "wind_speed", "measurement")


# Values from disk


@pytest.mark.parametrize(
    ("native", "unit", "state"),
    [
        (1.5, "kWh", "1.5"),
        (7, "kWh", "7"),
        (1.5, "MWh", "unknown"),
        ("text", "kWh", "unknown"),
        (True, "kWh", "unknown"),
        (2**63, "kWh", "unknown"),
        (None, "kWh", "unknown"),
        ({"__type": "<class 'decimal.Decimal'>", "decimal_str": "1.5"}, "kWh", "unknown"),
        ({"__type": "<class 'decimal.Decimal'>", "decimal_str": "?"}, "kWh", "unknown"),
    ],
)
async def test_only_a_number_in_the_same_unit_is_a_number_again(
    hass: HomeAssistant, hass_storage: dict[str, Any], native: object, unit: str, state: str
) -> None:
    extra = {"native_value": native, "native_unit_of_measurement": unit}
    mock_restore_cache_with_extra_data(hass, [(State("sensor.monstro_1_x", "unavailable"), extra)])
    await stored_site(hass, hass_storage, {"in/x": ["number", "kWh", False]})
    assert is_now(hass) == (state, "kWh", "energy", "total_increasing")


@pytest.mark.parametrize(("native", "state"), [("auto", "auto"), (1, "unknown"), ("x" * 300, "x" * 255)])
async def test_only_text_is_text_again(
    hass: HomeAssistant, hass_storage: dict[str, Any], native: object, state: str
) -> None:
    extra = SensorExtraStoredData(native, None).as_dict()  # type: ignore[arg-type]
    mock_restore_cache_with_extra_data(hass, [(State("sensor.monstro_1_x", "unavailable"), extra)])
    await stored_site(hass, hass_storage, {"in/x": ["text", None, False]})
    assert sensor(hass).state == state


@pytest.mark.parametrize(("stored", "state"), [({"is_on": True}, "on"), ({"is_on": "on"}, "unknown"), ({}, "unknown")])
async def test_only_a_boolean_is_a_boolean_again(
    hass: HomeAssistant, hass_storage: dict[str, Any], stored: dict[str, Any], state: str
) -> None:
    mock_restore_cache_with_extra_data(hass, [(State("binary_sensor.monstro_1_x", "unavailable"), stored)])
    await stored_site(hass, hass_storage, {"in/x": ["boolean", None, False]})
    found = entity_state(hass, f"{A}/in/x")
    assert found
    assert found.state == state


async def test_what_was_never_heard_is_unknown(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    data: dict[str, list[Any]] = {"in/n": ["number", "V", False], "in/t": ["text", None, False]}
    data |= {"in/b": ["boolean", None, False], "in/gone": ["number", None, True]}
    await stored_site(hass, hass_storage, data)
    assert [sensor(hass, key).state for key in ("n", "t")] == ["unknown"] * 2
    found = entity_state(hass, f"{A}/in/b")
    assert found
    assert found.state == "unknown"
    assert entity_state(hass, f"{A}/in/gone", "sensor") is None
