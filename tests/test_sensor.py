"""What sensors of data are: their units, classes and values, also when these change or come back from disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

from homeassistant.components.sensor import SensorExtraStoredData
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import entity_registry as er
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM
import pytest
from pytest_homeassistant_custom_component.common import mock_restore_cache_with_extra_data
from syrupy.assertion import SnapshotAssertion

from custom_components.site_devices.const import DOMAIN
from simulator.devices import heartbeat as heartbeat_data, input_data, make_devices, output_data

from . import SITE, publish
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")

A = "datalogger/TEST123"
NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC).timestamp()


@pytest.fixture
async def logger(site: LiveSite) -> LiveSite:
    """A site with one datalogger."""
    await site.heartbeat()
    return site


async def report(site: LiveSite, **data: Any) -> None:
    await site.report(**data)
    await site.hass.async_block_till_done()


def quantity(value: object, unit: str | None) -> dict[str, object]:
    return {"value": value, "unit": unit}


def sensor(site: LiveSite, key: str = "x", platform: str = "sensor") -> State:
    state = site.entity(f"{A}/in/{key}", platform)
    assert state
    return state


def is_now(site: LiveSite, key: str = "x", platform: str = "sensor") -> tuple[Any, ...]:
    """Return value, unit, device class and state class of a sensor."""
    state = sensor(site, key, platform)
    names = ("unit_of_measurement", "device_class", "state_class")
    return (state.state, *(state.attributes.get(name) for name in names))


async def test_the_entities_of_a_datalogger(hass: HomeAssistant, site: LiveSite, snapshot: SnapshotAssertion) -> None:
    """What the simulator sends, since it is what the demo and the documentation show."""
    device, chance = make_devices(SITE, dataloggers=1, gateways=0)[0], Random(1)
    await publish(hass, device.topic("heartbeat"), heartbeat_data(device, NOON, 60, chance))
    await publish(hass, device.topic("input"), input_data(device, NOON, chance))
    await publish(hass, device.topic("output"), output_data(device, NOON))
    for _ in range(10):
        await hass.async_block_till_done()
    found = {}
    for entity in site.entities():
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


@pytest.mark.parametrize("begin", ["2026-06-21T11:59:00Z"])
async def test_the_last_heartbeat_is_off_at_first_and_then_written_once_a_minute_and_at_each_flip(
    hass: HomeAssistant, logger: LiveSite
) -> None:
    entity_id = "sensor.monstro_1_last_heartbeat"
    entity = er.async_get(hass).async_get(entity_id)
    assert (entity.disabled_by, entity.entity_category) == ("integration", "diagnostic")
    er.async_get(hass).async_update_entity(entity_id, disabled_by=None)
    await logger.advance(60)  # Home Assistant loads the entry again half a minute later
    seen = []

    async def beat() -> None:
        await logger.heartbeat()
        note()

    def note() -> None:
        seen.append(hass.states.get(entity_id).state[11:19])

    await beat()
    for _ in range(13):
        await logger.advance(10)
        await beat()
    await logger.advance(*[10] * 4)
    note()
    await beat()
    assert seen == [*["12:00:00"] * 6, *["12:01:00"] * 6, *["12:02:00"] * 2, "12:02:10", "12:02:50"]


async def test_there_is_no_last_heartbeat_before_the_first_live_one(hass: HomeAssistant, site: LiveSite) -> None:
    await site.heartbeat(retain=True)
    er.async_get(hass).async_update_entity("sensor.monstro_1_last_heartbeat", disabled_by=None)
    await site.reload()
    assert site.state("sensor.monstro_1_last_heartbeat") == "unknown"


# Units


async def test_a_unit_that_arrives_later_or_changes_is_followed(logger: LiveSite) -> None:
    await report(logger, x=1)
    assert is_now(logger) == ("1", None, None, "measurement")
    await report(logger, x=quantity(1, "kWh"))
    assert is_now(logger) == ("1", "kWh", "energy", "total_increasing")
    await report(logger, x=2)  # it says nothing of the unit
    assert is_now(logger) == ("2", "kWh", "energy", "total_increasing")
    await report(logger, x=quantity(20, "C"))
    assert is_now(logger) == ("20", "°C", "temperature", "measurement")
    await report(logger, x=quantity(3, "bananas"))
    assert is_now(logger) == ("3", "bananas", None, "measurement")
    await logger.reload()
    assert is_now(logger) == ("3", "bananas", None, "measurement")


async def test_text_and_booleans_have_neither_unit_nor_class(logger: LiveSite) -> None:
    await report(logger, x=quantity("12", "V"))
    assert is_now(logger) == ("12", None, None, None)


UNITS = ["kWh", "°F", "°C", "V", "%", "m³", "°", "m/s", "bananas", "dBm", "min", "µg/m³"]


@pytest.mark.parametrize("first", UNITS)
@pytest.mark.parametrize("metric", [True, False])
async def test_any_unit_may_follow_any_other(hass: HomeAssistant, logger: LiveSite, first: str, metric: bool) -> None:
    """Also where Home Assistant converts, since the user's system has another unit."""
    if not metric:
        hass.config.units = US_CUSTOMARY_SYSTEM
    for unit in UNITS:
        await report(logger, wind=quantity(1.5, first))
        for value in (1.5, 2**63 - 1, 10**30, -1, "text"):
            await report(logger, wind=quantity(value, unit))
        assert is_now(logger, "wind")[0] == "unknown"


@pytest.mark.parametrize(("unit", "chosen"), [("kWh", "MWh"), ("°C", "K"), ("V", "mV"), ("m/s", "km/h")])
async def test_a_unit_that_the_user_chose_does_not_outlive_its_class(
    hass: HomeAssistant, logger: LiveSite, unit: str, chosen: str
) -> None:
    await report(logger, x=quantity(1000, unit))
    er.async_get(hass).async_update_entity_options(
        sensor(logger).entity_id, "sensor", {"unit_of_measurement": chosen, "display_precision": 2}
    )
    await hass.async_block_till_done()
    assert is_now(logger)[1] == chosen
    for other in UNITS:
        for value in (1, None, "text"):
            await report(logger, x=quantity(value, other))
    await report(logger, x=quantity(1000, "W" if unit != "W" else "V"))
    assert is_now(logger) == ("1000", "W", "power", "measurement")
    await report(logger, x=quantity(1000, unit))
    assert is_now(logger)[1] == chosen


@pytest.mark.parametrize(
    ("unit", "chosen", "value"),
    [("kWh/100km", "km/kWh", 0), ("kWh/100km", "km/kWh", 1e-310), ("Beaufort", "m/s", -1)],
)
async def test_a_value_that_has_none_in_the_unit_that_the_user_chose_is_unknown(
    hass: HomeAssistant, logger: LiveSite, unit: str, chosen: str, value: float
) -> None:
    """Home Assistant itself would raise, or show an infinity."""
    await report(logger, wind=quantity(4, unit))
    er.async_get(hass).async_update_entity_options(
        sensor(logger, "wind").entity_id, "sensor", {"unit_of_measurement": chosen}
    )
    await report(logger, wind=quantity(4, unit), other=1)
    assert float(is_now(logger, "wind")[0]) > 4
    await report(logger, wind=quantity(value, unit), other=2)
    assert is_now(logger, "wind")[:2] == ("unknown", chosen)
    assert is_now(logger, "other")[0] == "2"
    await logger.reload()
    assert is_now(logger, "wind")[:2] == ("unknown", chosen)
    await report(logger, wind=quantity(4, unit))
    assert float(is_now(logger, "wind")[0]) > 4


async def test_a_battery_shows_its_tenths_of_a_volt(hass: HomeAssistant, logger: LiveSite) -> None:
    def digits() -> object:
        entity = er.async_get(hass).async_get(sensor(logger).entity_id)
        options: Mapping[str, Any] = entity.options.get("sensor", {})
        return options.get("suggested_display_precision")

    for unit, shown in (("V", 1), ("Hz", 2), ("bananas", None), ("V", 1)):
        await report(logger, x=quantity(12.84, unit))
        assert digits() == shown
        assert sensor(logger).state == "12.84"  # what is stored has all of them


async def test_the_angle_of_the_wind(logger: LiveSite) -> None:
    await report(logger, wind=quantity(359, "°"))
    assert is_now(logger, "wind") == ("359", "°", "wind_direction", "measurement_angle")
    await report(logger, wind=quantity(3, "m/s"))
    assert is_now(logger, "wind") == ("3", "m/s", "wind_speed", "measurement")


# Values from disk


async def restore(
    site: LiveSite, hass_storage: dict[str, Any], data: dict[str, list[Any]], **states: dict[str, Any]
) -> None:
    """Load the site anew as one that knew a device with these data points, and Home Assistant these states of x."""
    device = {"key": A, "address": "monstro/1", "created": 0.0, "online": True, "last_heartbeat": 0.0, "data": data}
    await site.unload()
    known = [(State(f"{platform}.monstro_1_x", "unavailable"), stored) for platform, stored in states.items()]
    mock_restore_cache_with_extra_data(site.hass, known)
    key = f"{DOMAIN}.{site.entry.entry_id}"
    saved = {"devices": [device], "deleted": [], "monitoring": True}
    hass_storage[key] = {"version": 1, "minor_version": 1, "key": key, "data": saved}
    await site.load()


def native(value: object, unit: str | None = None) -> dict[str, Any]:
    """Return what Home Assistant stores of a sensor."""
    return SensorExtraStoredData(value, unit).as_dict()  # type: ignore[arg-type]


def decimal(text: str) -> dict[str, Any]:
    """Return how Home Assistant stores a decimal, which is no value of ours."""
    stored = {"__type": "<class 'decimal.Decimal'>", "decimal_str": text}
    return {"native_value": stored, "native_unit_of_measurement": "kWh"}


@pytest.mark.parametrize(
    ("kind", "stored", "state"),
    [
        # only a number in the same unit
        ("number", native(1.5, "kWh"), "1.5"),
        ("number", native(7, "kWh"), "7"),
        ("number", native(1.5, "MWh"), "unknown"),
        ("number", native("text", "kWh"), "unknown"),
        ("number", native(True, "kWh"), "unknown"),
        ("number", native(2**63, "kWh"), "unknown"),
        ("number", native(None, "kWh"), "unknown"),
        ("number", decimal("1.5"), "unknown"),
        ("number", decimal("?"), "unknown"),
        # only text, and no more of it than fits
        ("text", native("auto"), "auto"),
        ("text", native(1), "unknown"),
        ("text", native("x" * 300), "x" * 255),
        # only a boolean
        ("boolean", {"is_on": True}, "on"),
        ("boolean", {"is_on": "on"}, "unknown"),
        ("boolean", {}, "unknown"),
    ],
)
async def test_only_what_was_stored_of_its_kind_is_a_value_again(
    hass_storage: dict[str, Any], site: LiveSite, kind: str, stored: dict[str, Any], state: str
) -> None:
    platform = "binary_sensor" if kind == "boolean" else "sensor"
    data = {"in/x": [kind, "kWh" if kind == "number" else None, False]}
    await restore(site, hass_storage, data, **{platform: stored})
    classes = ("kWh", "energy", "total_increasing") if kind == "number" else (None, None, None)
    assert is_now(site, platform=platform) == (state, *classes)


async def test_what_was_never_heard_is_unknown(hass_storage: dict[str, Any], site: LiveSite) -> None:
    data: dict[str, list[Any]] = {"in/n": ["number", "V", False], "in/t": ["text", None, False]}
    data |= {"in/b": ["boolean", None, False], "in/gone": ["number", None, True]}
    await restore(site, hass_storage, data)
    assert [sensor(site, key).state for key in ("n", "t")] == ["unknown"] * 2
    assert sensor(site, "b", "binary_sensor").state == "unknown"
    assert site.entity(f"{A}/in/gone", "sensor") is None
