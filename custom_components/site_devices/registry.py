"""Registry: what Home Assistant's device pages say of our devices."""

from __future__ import annotations

from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .fleet import DeviceRecord, Fleet
from .ids import device_identifier
from .protocol import Category


class DevicePages:
    """Writes the device pages of one site.

    A device that changes what it says is written at once, and then once a minute at most: each write is saved to disk
    and sent to every open browser.
    """

    def __init__(self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet) -> None:
        """Write nothing yet."""
        self._registry = dr.async_get(hass)
        self._entry_id = entry_id
        self._site_code = site_code
        self._fleet = fleet
        self._device_ids: dict[str, str] = {}
        self._changed: dict[str, DeviceRecord] = {}  # since the last write
        self._written: set[str] = set()  # in this minute

    @callback
    def async_create(self, record: DeviceRecord) -> None:
        """Make a device's page, or find the one from an earlier run and bring it up to date."""
        device = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            identifiers={device_identifier(self._site_code, record)},
            serial_number=record.serial,
            **self._description(record),
        )
        self._device_ids[record.key] = device.id

    @callback
    def async_describe(self, record: DeviceRecord) -> None:
        """Bring a device's page up to date, now or at the end of the minute."""
        if record.key in self._written:
            self._changed[record.key] = record
        else:
            self._written.add(record.key)
            self._write(record)

    @callback
    def async_minute_over(self) -> None:
        """Write what has changed again since it was written."""
        self._written = set(self._changed)
        for record in self._changed.values():
            self._write(record)
        self._changed = {}

    @callback
    def async_forget(self, record: DeviceRecord) -> None:
        """Write a deleted device's page no more."""
        self._device_ids.pop(record.key, None)
        self._changed.pop(record.key, None)

    def _write(self, record: DeviceRecord) -> None:
        # a device that was discovered in this very moment has no page yet, and gets it as it is then
        if device_id := self._device_ids.get(record.key):
            self._registry.async_update_device(device_id, **self._description(record))

    def _description(self, record: DeviceRecord) -> dict[str, Any]:
        info = record.info
        gateway = record.category is Category.GATEWAY
        return {
            "name": self._fleet.name(record),
            "manufacturer": info.manufacturer,
            "model": info.model or ("Gateway" if gateway else record.address.partition("/")[0]),
            "sw_version": info.sw_version,
            "hw_version": info.hw_version,
        }
