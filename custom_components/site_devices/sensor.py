"""Sensors of devices, their numbers and texts, and counts. In: `arrivals`, values, records, counts. Out: entities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
import math
from typing import Final

from homeassistant.components.sensor import (
    UNIT_CONVERTERS,
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .classify import classify
from .core.device import Counts, DeviceRecord
from .core.readings import Kind, Leaf, is_diagnostic, leaf_of, words
from .entity import DataEntity, DeviceEntity, SiteEntity
from .site.arrivals import Arrival
from .site.site import Site, SiteDevicesConfigEntry

PARALLEL_UPDATES: Final = 0  # nothing is polled

_WRITTEN_EVERY: Final = 60  # seconds; a state for every heartbeat would flood the database

# Home Assistant would show these without decimals, 12.84 V as 13 V
_DIGITS: Final[dict[SensorDeviceClass | None, int]] = {SensorDeviceClass.VOLTAGE: 1, SensorDeviceClass.FREQUENCY: 2}

LAST_HEARTBEAT: Final = SensorEntityDescription(
    key="last_heartbeat",
    translation_key="last_heartbeat",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
)


@dataclass(frozen=True, kw_only=True)
class CountDescription(SensorEntityDescription):
    """One of the site's counts."""

    value_fn: Callable[[Counts], int]


COUNTS: Final = (
    CountDescription(
        key="devices_online",
        translation_key="devices_online",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda counts: counts.online,
    ),
    CountDescription(
        key="devices_offline",
        translation_key="devices_offline",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda counts: counts.offline,
    ),
    CountDescription(
        key="devices_known",
        translation_key="devices_known",
        state_class=SensorStateClass.MEASUREMENT,
        value_fn=lambda counts: counts.known,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the site's counts, and from now on the sensors of each device and of each number and text data point."""
    site = entry.runtime_data
    async_add_entities([CountSensor(site, description) for description in COUNTS])

    @callback
    def add(arrivals: list[Arrival]) -> None:
        entities: list[SensorEntity] = []
        for record, leaf in arrivals:
            if leaf is None:
                entities.append(LastHeartbeatSensor(site, record, LAST_HEARTBEAT.key))
            elif record.data[leaf].kind is Kind.NUMBER:
                entities.append(NumberSensor(site, record, leaf))
            elif record.data[leaf].kind is Kind.TEXT:
                entities.append(TextSensor(site, record, leaf))
        async_add_entities(entities)

    site.arrivals.async_on_arrival(add)


class CountSensor(SiteEntity, SensorEntity):
    """One of the site's counts."""

    entity_description: CountDescription

    def __init__(self, site: Site, description: CountDescription) -> None:
        """Attach to the site's own page."""
        super().__init__(site, description.key)
        self.entity_description = description

    @property
    def native_value(self) -> int:
        """Return the count."""
        return self.entity_description.value_fn(self.site.counts.current)


class LastHeartbeatSensor(DeviceEntity, SensorEntity):
    """The time of the last live heartbeat, written once a minute and when the device goes online or offline."""

    entity_description = LAST_HEARTBEAT
    _written = 0.0

    @property
    def native_value(self) -> datetime | None:
        """Return the time of the last live heartbeat."""
        heard = self.record.last_heartbeat
        return None if heard is None else dt_util.utc_from_timestamp(heard)

    async def async_added_to_hass(self) -> None:
        """Subscribe to heartbeats as well."""
        await super().async_added_to_hass()
        self.async_on_remove(self.site.listeners.async_add_heartbeat(self.record, self._heartbeat))

    @callback
    def _heartbeat(self) -> None:
        heard = self.record.last_heartbeat or 0.0
        # `abs`: the wall clock may have been set back
        if abs(heard - self._written) >= _WRITTEN_EVERY:
            self._written = heard
            self.async_write_ha_state()


class DataSensor(DataEntity, RestoreSensor):
    """A number or text that a device reports."""

    _attr_native_value: float | str | None = None
    _kind: Kind

    def take(self, leaf: Leaf) -> bool:
        """Set a value of this sensor's kind; any other is unknown."""
        value = leaf.value if leaf.kind is self._kind else None
        changed = value != self._attr_native_value
        self._attr_native_value = value
        return changed

    async def _restore(self) -> None:
        last = await self.async_get_last_sensor_data()
        # the unit in our store may be newer than the state that Home Assistant restores
        if last and last.native_unit_of_measurement == self.native_unit_of_measurement:
            self.take(leaf_of(last.native_value))


class TextSensor(DataSensor):
    """A text that a device reports."""

    _kind = Kind.TEXT


class NumberSensor(DataSensor):
    """A number that a device reports, classified by its unit and name."""

    _kind = Kind.NUMBER

    def __init__(self, site: Site, record: DeviceRecord, key: str) -> None:
        """Set unit and classes from the last known unit."""
        super().__init__(site, record, key)
        self._classify()
        if is_diagnostic(key):
            self._attr_entity_category = EntityCategory.DIAGNOSTIC
            self._attr_entity_registry_enabled_default = False

    @property
    def native_value(self) -> float | str | None:
        """Return the number, unless it can't be converted to the user's unit: 0 kWh/100km has no value in km/kWh."""
        value, native, shown = self._attr_native_value, self._attr_native_unit_of_measurement, self.unit_of_measurement
        if value is None or shown == native or (converter := UNIT_CONVERTERS.get(self.device_class)) is None:
            return value
        try:
            converted = converter.converter_factory(native, shown)(float(value))
        except (ArithmeticError, TypeError):
            return None
        return value if math.isfinite(converted) else None

    @callback
    def follow_unit(self) -> None:
        """Update the unit and the classes."""
        self._classify()
        # re-evaluates the unit that the user chose: if it does not fit the new class, every write would raise
        self.async_registry_entry_updated()

    def _classify(self) -> None:
        classes = classify(words(self.key), self.point.unit)
        self._attr_native_unit_of_measurement = classes.unit
        self._attr_device_class = classes.device_class
        self._attr_state_class = classes.state_class
        self._attr_suggested_display_precision = _DIGITS.get(classes.device_class)
