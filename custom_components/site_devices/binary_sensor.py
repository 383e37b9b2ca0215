"""Binary sensors: whether a device is online."""

from __future__ import annotations

from typing import Final

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import DeviceEntity
from .fleet import DeviceRecord
from .site import SiteDevicesConfigEntry

PARALLEL_UPDATES: Final = 0  # nothing is polled

CONNECTIVITY: Final = BinarySensorEntityDescription(
    key="connectivity", device_class=BinarySensorDeviceClass.CONNECTIVITY
)


async def async_setup_entry(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give every device its connectivity."""
    site = entry.runtime_data

    @callback
    def add(records: list[DeviceRecord]) -> None:
        async_add_entities([ConnectivitySensor(site, record, CONNECTIVITY) for record in records])

    site.async_on_new_devices(add)


class ConnectivitySensor(DeviceEntity, BinarySensorEntity):
    """On while heartbeats come, off after their deadline, unknown before the first live one."""

    @property
    def is_on(self) -> bool | None:
        """Tell whether the device is online."""
        return self.record.online
