"""Storage: the records of a site to and from disk, so that a restart forgets nothing.

What is written is `{"devices": [{…}], "deleted": [key, …], "monitoring": true}`, a device being the fields of its record that say something.
"""

from __future__ import annotations

from collections.abc import Callable
import logging
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .fleet import DeviceRecord, Fleet
from .protocol import Info
from .readings import DataPoint, Kind

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
_SAVE_DELAY: Final = 10  # seconds; a crash loses no more than this of what changed
_PLAIN_FIELDS: Final = (
    "key",
    "address",
    "created",
    "online",
    "last_heartbeat",
    "last_report",
    "timestamp",
    "offline_after",
)


class SiteStore:
    """The file of one config entry."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Name the file; nothing is read yet."""
        self.monitoring = True  # the position of the site's switch
        self._store = Store[dict[str, Any]](hass, _VERSION, f"{DOMAIN}.{entry_id}")
        self._pending = False

    async def async_load(self, fleet: Fleet) -> None:
        """Restore what an earlier run saved, if anything."""
        if data := await self._store.async_load():
            fleet.restore(map(_record, data["devices"]), data["deleted"])
            self.monitoring = data["monitoring"]

    @callback
    def async_schedule_save(self, fleet: Fleet) -> None:
        """Save soon. A save that is pending is not put off, so a busy site gets saved as well."""
        if not self._pending:
            self._pending = True
            self._store.async_delay_save(self._snapshot(fleet), _SAVE_DELAY)

    @callback
    def async_schedule_final_save(self, fleet: Fleet) -> None:
        """Save with the last things that Home Assistant does before it stops."""
        self._store.async_delay_save(self._snapshot(fleet), 0)

    async def async_save(self, fleet: Fleet) -> None:
        """Save now."""
        await self._store.async_save(self._data(fleet))

    async def async_remove(self) -> None:
        """Delete the file."""
        await self._store.async_remove()

    def _snapshot(self, fleet: Fleet) -> Callable[[], dict[str, Any]]:
        def snapshot() -> dict[str, Any]:
            self._pending = False
            return self._data(fleet)

        return snapshot

    def _data(self, fleet: Fleet) -> dict[str, Any]:
        # the oldest Home Assistant asks from a thread, while the loop goes on: each list and dict is copied at once
        return {
            "devices": list(map(_device, list(fleet.records.values()))),
            "deleted": list(fleet.deleted),
            "monitoring": self.monitoring,
        }


def _device(record: DeviceRecord) -> dict[str, Any]:
    device = {name: value for name in _PLAIN_FIELDS if (value := getattr(record, name)) is not None}
    if info := {name: text for name, text in record.info._asdict().items() if text}:
        device["info"] = info
    if record.rivals:
        device["rivals"] = list(record.rivals)
    if data := record.data.copy():
        device["data"] = {key: tuple(point) for key, point in data.items()}
    return device


def _record(device: dict[str, Any]) -> DeviceRecord:
    plain = {name: device[name] for name in _PLAIN_FIELDS if name in device}
    rivals = dict.fromkeys(device["rivals"], 0.0) if "rivals" in device else None
    data = {key: DataPoint(Kind(kind), unit, removed) for key, (kind, unit, removed) in device.get("data", {}).items()}
    return DeviceRecord(**plain, info=Info(**device.get("info", {})), rivals=rivals, data=data)
