"""Sensors: when a device was last heard."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .entity import DeviceEntity
from .fleet import DeviceRecord
from .site import SiteDevicesConfigEntry

PARALLEL_UPDATES: Final = 0  # nothing is polled

_WRITTEN_EVERY: Final = 60  # seconds; a state for each heartbeat would only fill the database

LAST_HEARTBEAT: Final = SensorEntityDescription(
    key="last_heartbeat",
    translation_key="last_heartbeat",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give every device its last heartbeat."""
    site = entry.runtime_data

    @callback
    def add(records: list[DeviceRecord]) -> None:
        async_add_entities([LastHeartbeatSensor(site, record, LAST_HEARTBEAT) for record in records])

    site.async_on_new_devices(add)


class LastHeartbeatSensor(DeviceEntity, SensorEntity):
    """When the last live heartbeat came, written at each flip and once a minute."""

    _written = 0.0

    @property
    def native_value(self) -> datetime | None:
        """Return the time of the last live heartbeat."""
        heard = self.record.last_heartbeat
        return None if heard is None else dt_util.utc_from_timestamp(heard)

    async def async_added_to_hass(self) -> None:
        """Hear of each heartbeat as well."""
        await super().async_added_to_hass()
        self.async_on_remove(self.site.async_add_heartbeat_listener(self.record, self._heartbeat))

    @callback
    def _heartbeat(self) -> None:
        heard = self.record.last_heartbeat or 0.0
        # the clock on the wall may have been put back
        if abs(heard - self._written) >= _WRITTEN_EVERY:
            self._written = heard
            self.async_write_ha_state()
