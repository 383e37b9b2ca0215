"""What a number's unit and name make of it. Home Assistant's own tables are the judge."""

from __future__ import annotations

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.sensor.const import DEVICE_CLASS_STATE_CLASSES, DEVICE_CLASS_UNITS
from homeassistant.const import CONCENTRATION_MICROGRAMS_PER_CUBIC_METER
from hypothesis import given, strategies as st
import pytest

from custom_components.site_devices import classify as room
from custom_components.site_devices.classify import classify

MEASUREMENT, TOTAL, RISING = SensorStateClass.MEASUREMENT, SensorStateClass.TOTAL, SensorStateClass.TOTAL_INCREASING
UNITS = sorted({str(unit) for units in DEVICE_CLASS_UNITS.values() for unit in units if unit})
OUR_WORDS = sorted({word for alternatives in room._WORDS.values() for word in alternatives})


@pytest.mark.parametrize(
    ("name", "unit", "device_class", "state_class"),
    [
        ("temperature", "°C", "temperature", MEASUREMENT),
        ("anything", "°C", "temperature", MEASUREMENT),
        ("voltage", "V", "voltage", MEASUREMENT),
        ("corrente", "A", "current", MEASUREMENT),
        ("x", "W", "power", MEASUREMENT),
        ("x", "hPa", "pressure", MEASUREMENT),
        ("pressione atmosferica", "hPa", "atmospheric_pressure", MEASUREMENT),
        ("humidity", "%", "humidity", MEASUREMENT),
        ("Umidità esterna", "%", "humidity", MEASUREMENT),
        ("umidità del suolo", "%", "moisture", MEASUREMENT),
        ("battery", "%", "battery", MEASUREMENT),
        ("livello batteria", "%", "battery", MEASUREMENT),
        ("batteryLevel", "%", "battery", MEASUREMENT),
        ("memory used", "%", None, MEASUREMENT),
        ("cosfi", None, "power_factor", MEASUREMENT),
        ("count", None, None, MEASUREMENT),
        ("energy", "kWh", "energy", RISING),
        ("x", "MWh", "energy", RISING),
        ("net energy", "kWh", "energy", TOTAL),
        ("energy balance", "kWh", "energy", TOTAL),
        ("saldo", "kWh", "energy", TOTAL),
        ("accumulo", "kWh", "energy", TOTAL),
        ("stored", "Wh", "energy", TOTAL),
        ("network energy", "kWh", "energy", RISING),
        ("acqua", "m³", "water", RISING),
        ("gas", "m³", "gas", RISING),
        ("livello serbatoio", "L", "volume_storage", MEASUREMENT),
        ("x", "m³", None, MEASUREMENT),
        ("x", "mm", "distance", MEASUREMENT),
        ("pioggia", "mm", "precipitation", MEASUREMENT),
        ("rain", "mm/h", "precipitation_intensity", MEASUREMENT),
        ("vento", "m/s", "wind_speed", MEASUREMENT),
        ("wind", "°", "wind_direction", SensorStateClass.MEASUREMENT_ANGLE),
        ("angle", "°", None, MEASUREMENT),
        ("rssi", "dBm", "signal_strength", MEASUREMENT),
        ("co2", "ppm", "carbon_dioxide", MEASUREMENT),
        ("pm2.5", CONCENTRATION_MICROGRAMS_PER_CUBIC_METER, "pm25", MEASUREMENT),
        ("x", "bananas", None, MEASUREMENT),
    ],
)
def test_a_name_and_a_unit_make_classes(
    name: str, unit: str | None, device_class: str | None, state_class: SensorStateClass
) -> None:
    classes = classify(name, unit)
    assert (classes.device_class, classes.state_class) == (device_class, state_class)
    assert classes.unit == unit


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("C", "°C"),
        ("c", "°C"),
        ("degC", "°C"),
        ("Celsius", "°C"),
        ("°c", "°C"),
        ("ºC", "°C"),
        ("℃", "°C"),
        ("degF", "°F"),
        ("Wh", "Wh"),
        ("kwh", "kWh"),
        ("KWH", "kWh"),
        ("m3", "m³"),
        ("m^3", "m³"),
        ("M3/H", "m³/h"),
        ("w/m2", "W/m²"),
        ("percent", "%"),
        ("%RH", "%"),
        ("hz", "Hz"),
        ("deg", "°"),
        ("ore", "h"),
        # the micro sign, the Greek letter, and neither
        ("\u00b5g/m³", CONCENTRATION_MICROGRAMS_PER_CUBIC_METER),
        ("\u03bcg/m3", CONCENTRATION_MICROGRAMS_PER_CUBIC_METER),
        ("ug/m3", CONCENTRATION_MICROGRAMS_PER_CUBIC_METER),
        # more than one it could be, or none at all
        ("mw", "mw"),
        ("unit", "unit"),
        ("US gallons", "US gallons"),
        (None, None),
    ],
)
def test_spellings_of_units(written: str | None, unit: str | None) -> None:
    assert classify("x", written).unit == unit


@pytest.mark.parametrize("unit", UNITS)
def test_home_assistants_own_units_stay_as_they_are(unit: str) -> None:
    assert classify("x", unit).unit == unit


@given(
    st.lists(st.sampled_from(OUR_WORDS) | st.text(), max_size=4).map(" ".join),
    st.none() | st.sampled_from(UNITS) | st.text(min_size=1, max_size=8),
)
def test_home_assistant_allows_whatever_comes_out(name: str, unit: str | None) -> None:
    classes = classify(name, unit)
    if classes.device_class is None:
        assert classes.state_class is MEASUREMENT
    else:
        assert classes.unit in DEVICE_CLASS_UNITS[classes.device_class]
        assert classes.state_class in DEVICE_CLASS_STATE_CLASSES[classes.device_class]


@pytest.mark.parametrize("device_class", sorted(room._WORDS))
def test_each_word_decides_for_a_unit_of_several_classes(device_class: str) -> None:
    """Where Home Assistant has the class at all, and its unit is not that class's alone."""
    if device_class not in list(SensorDeviceClass):
        assert device_class in {"absolute_humidity", "pm4", "temperature_delta"}  # later than the oldest
        return
    units = [None if unit is None else str(unit) for unit in DEVICE_CLASS_UNITS[SensorDeviceClass(device_class)]]
    shared = [unit for unit in units if len(room._CLASSES_BY_UNIT[unit]) > 1 or unit in room._ONLY_BY_NAME]
    for word in room._WORDS[device_class]:
        assert device_class in {classify(word, unit).device_class for unit in shared}
