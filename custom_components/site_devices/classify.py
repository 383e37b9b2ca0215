"""Classify: derive a number's device class and state class from its unit and name.

In, from `sensor`: the name and unit of a data point. Out: `Classes`. Home Assistant's tables decide; if a unit fits
several device classes, our own lists of English and Italian words do.
"""

from __future__ import annotations

from functools import lru_cache
import re
from typing import Final, NamedTuple
import unicodedata

from homeassistant.components.sensor import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
    SensorDeviceClass,
    SensorStateClass,
)
from homeassistant.const import DEGREE, UnitOfTemperature


class Classes(NamedTuple):
    """Unit and classes of a sensor; they always change together."""

    unit: str | None
    device_class: SensorDeviceClass | None
    state_class: SensorStateClass | None


_RAIN: Final = ("rain", "rainfall", "precipitation", "pioggia", "precipitazione", "precipitazioni")
# The first class with a word in the name wins, so special ones come before general ones.
_WORDS: Final = {
    "battery": ("battery", "batteria", "batt", "soc", "state of charge", "carica"),
    "moisture": ("moisture", "soil", "suolo", "terreno"),
    "humidity": ("humidity", "umidita", "rh", "hum"),
    "power_factor": ("power factor", "fattore di potenza", "pf", "cosphi", "cosfi", "cos phi", "cos fi"),
    "temperature_delta": ("delta", "difference", "differenza"),
    "atmospheric_pressure": ("atmospheric", "atmosferica", "barometric", "barometrica", "barometer", "barometro"),
    "precipitation": _RAIN,
    "precipitation_intensity": _RAIN,
    "wind_speed": ("wind", "gust", "vento", "raffica"),
    "wind_direction": ("wind", "vento"),
    "gas": ("gas", "methane", "metano"),
    "water": ("water", "acqua"),
    "volume_storage": ("tank", "level", "stored", "serbatoio", "cisterna", "livello"),
    "signal_strength": ("signal", "rssi", "snr", "segnale"),
    "sound_pressure": ("sound", "noise", "suono", "rumore"),
    "carbon_dioxide": ("co2", "carbon dioxide", "anidride carbonica"),
    "carbon_monoxide": ("co", "carbon monoxide", "monossido"),
    "nitrogen_dioxide": ("no2",),
    "nitrogen_monoxide": ("no",),
    "nitrous_oxide": ("n2o",),
    "ozone": ("o3", "ozone", "ozono"),
    "pm1": ("pm1",),
    "pm25": ("pm25", "pm2 5"),
    "pm4": ("pm4",),
    "pm10": ("pm10",),
    "sulphur_dioxide": ("so2",),
    "volatile_organic_compounds": ("voc", "tvoc", "cov"),
    "volatile_organic_compounds_parts": ("voc", "tvoc", "cov"),
    "absolute_humidity": ("humidity", "umidita"),
    "aqi": ("aqi",),
    "ph": ("ph",),
}
# The default for a unit of several classes, if no word matches.
_COMMONEST: Final = (
    SensorDeviceClass.TEMPERATURE,
    SensorDeviceClass.ENERGY,
    SensorDeviceClass.PRESSURE,
    SensorDeviceClass.SPEED,
    SensorDeviceClass.DISTANCE,
)
_ONLY_BY_NAME: Final = frozenset((None, DEGREE))  # not every angle is a wind direction, not every plain number a pH
_RISES_AND_FALLS: Final = ("balance", "stored", "net", "saldo", "bilancio", "accumulo", "netto", "netta")
_PREFERRED: Final = (SensorStateClass.MEASUREMENT, SensorStateClass.TOTAL_INCREASING, SensorStateClass.TOTAL)
_SPELLINGS: Final = {
    "c": UnitOfTemperature.CELSIUS,
    "degc": UnitOfTemperature.CELSIUS,
    "deg c": UnitOfTemperature.CELSIUS,
    "celsius": UnitOfTemperature.CELSIUS,
    "ºc": UnitOfTemperature.CELSIUS,
    "℃": UnitOfTemperature.CELSIUS,
    "f": UnitOfTemperature.FAHRENHEIT,
    "degf": UnitOfTemperature.FAHRENHEIT,
    "deg": DEGREE,
    "percent": "%",
    "%rh": "%",
    "sec": "s",
    "hours": "h",
    "ore": "h",
}
_CLASSES_BY_UNIT: Final[dict[str | None, list[SensorDeviceClass]]] = {}
for _device_class, _units in DEVICE_CLASS_UNITS.items():
    for _unit in _units:
        _CLASSES_BY_UNIT.setdefault(None if _unit is None else str(_unit), []).append(_device_class)
_UNITS_BY_FOLDED: Final[dict[str, set[str]]] = {}
for _unit in filter(None, _CLASSES_BY_UNIT):
    _UNITS_BY_FOLDED.setdefault(_unit.casefold(), set()).add(_unit)


@lru_cache(maxsize=4096)
def classify(name: str, unit: str | None) -> Classes:
    """Return unit and classes for a number. A unit unknown to Home Assistant is left unchanged."""
    unit = _spelled(unit)
    words = f" {' '.join(_split(name))} "
    device_class = _device_class_of(words, unit)
    return Classes(unit, device_class, _state_class_of(words, device_class))


def _device_class_of(words: str, unit: str | None) -> SensorDeviceClass | None:
    candidates = _CLASSES_BY_UNIT.get(unit, [])
    if len(candidates) == 1 and unit not in _ONLY_BY_NAME:
        return candidates[0]
    for name, alternatives in _WORDS.items():
        if name in candidates and any(f" {word} " in words for word in alternatives):
            return SensorDeviceClass(name)
    return next((common for common in _COMMONEST if common in candidates), None)


def _state_class_of(words: str, device_class: SensorDeviceClass | None) -> SensorStateClass | None:
    if device_class is None:
        return SensorStateClass.MEASUREMENT
    allowed = DEVICE_CLASS_STATE_CLASSES[device_class]
    if device_class is SensorDeviceClass.ENERGY and any(f" {word} " in words for word in _RISES_AND_FALLS):
        return SensorStateClass.TOTAL
    return next((preferred for preferred in _PREFERRED if preferred in allowed), next(iter(allowed), None))


def _spelled(unit: str | None) -> str | None:
    """Return Home Assistant's spelling of a unit, if it is unambiguous."""
    if unit is None or unit in _CLASSES_BY_UNIT:
        return unit
    folded = unit.casefold()
    if known := _SPELLINGS.get(folded):
        return known
    folded = re.sub(r"(?<=[a-z])\^?([23])(?=$|/)", lambda power: "²³"[int(power[1]) - 2], folded)
    if folded.startswith("u"):  # micrograms without a Greek keyboard
        folded = folded if folded in _UNITS_BY_FOLDED else f"μ{folded[1:]}"
    spellings = _UNITS_BY_FOLDED.get(folded, set())
    return next(iter(spellings)) if len(spellings) == 1 else unit


def _split(name: str) -> list[str]:
    """Return the words of a name in lower case, without accents: `outdoor`, `temp` for `outdoorTemp`."""
    plain = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))
    return re.findall(r"[a-z0-9]+", "".join(char for char in plain if not unicodedata.combining(char)).casefold())
