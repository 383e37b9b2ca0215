"""Budget: how many more devices and data entities fit into a site's config entry.

In: the entity registry, and requests of `data_entities`. Out: room for data entities, and the fleet's `max_devices`.

Home Assistant refuses more than 10,000 enabled entities of a config entry. A device needs one, its connectivity sensor.
Devices go first: data entities leave room for every device that the option `max_devices` still allows, and the fleet
accepts only as many as fit.
"""

from __future__ import annotations

from collections.abc import Sized
import math
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from ..core.device import DeviceRecord
from ..core.fleet import Fleet
from .ids import CONNECTIVITY_KEY, decode

MAX_ENTITIES: Final = 9_900  # enabled entities up to which data entities are created
_MAX_WITH_DEVICES: Final = 9_950  # and devices; the rest is for what the user enables between two counts
_COUNT_INTERVAL: Final = 1.0  # seconds, at most
_SUFFIX: Final = f"/{CONNECTIVITY_KEY}"


class Budget:
    """The budget of one site. A count visits all its entities: once a minute, and on demand once a second at most."""

    def __init__(self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet, waiting: Sized) -> None:
        """Count nothing yet; `waiting` holds the data entities that are not registered yet."""
        self.max_devices = fleet.max_devices  # the option; that of the fleet is lower while fewer fit
        self.fitting = 0  # known devices and those that still fit
        self._loop = hass.loop
        self._registry = er.async_get(hass)
        self._entry_id = entry_id
        self._prefix_length = len(site_code) + 1  # of the site's part of a unique id
        self._fleet = fleet
        self._waiting = waiting
        self._room = 0
        self._counted = -math.inf
        self._stale = True
        self._missing: set[str] = set()  # keys of devices without a registered connectivity sensor, a minute ago
        self._without: list[str] = []  # and still, the minute after

    @callback
    def async_set_max_devices(self, max_devices: int) -> None:
        """Set the option."""
        if max_devices != self.max_devices:
            self.max_devices = max_devices
            self.async_count()

    @callback
    def async_start(self) -> None:
        """Count the entities of the last run; count again for the first data, after the site's own are added."""
        self.async_count()
        self._stale = True
        self._counted = -math.inf

    @callback
    def async_freed(self) -> None:
        """Count again on the next request: an entity or a device was removed."""
        self._stale = True

    @callback
    def async_minute_over(self) -> None:
        """Count again: the user may have enabled or disabled entities. Detect refused connectivity sensors."""
        missing = self.async_count()
        self._without = sorted(missing & self._missing)
        self._missing = missing

    def without_connectivity(self) -> list[DeviceRecord]:
        """Return the devices, except muted ones, that have had no connectivity sensor for a minute."""
        records = (self._fleet.records.get(key) for key in self._without)
        return [record for record in records if record and not record.muted]

    @callback
    def async_count(self) -> set[str]:
        """Count entities and limit the fleet; return the keys of devices without a registered connectivity sensor."""
        entries = er.async_entries_for_config_entry(self._registry, self._entry_id)
        ids = [entry.unique_id for entry in entries if entry.unique_id.endswith(_SUFFIX)]
        paths = (unique_id[self._prefix_length : -len(_SUFFIX)] for unique_id in ids)
        # skip that of the site, and data points of that name
        registered = {decode(path) for path in paths if path.count("/") == 1}
        records = self._fleet.records
        missing = records.keys() - registered
        taken = sum(entry.disabled_by is None for entry in entries) + len(missing) + len(self._waiting)
        # a device known only by its entities, after the store was lost, returns without needing more room
        known = len(records.keys() | registered)
        self.fitting = known + devices_fitting(taken)
        self._fleet.max_devices = min(self.max_devices, self.fitting)
        self._room = data_fitting(taken, known, self.max_devices)
        self._counted = self._loop.time()
        self._stale = False
        return missing

    def has_room(self) -> bool:
        """Return whether one more data entity fits. New devices between two counts use the room kept for them."""
        if self._stale and self._loop.time() - self._counted >= _COUNT_INTERVAL:
            self.async_count()
        return self._room > 0

    def take(self) -> None:
        """Reserve room for a data entity."""
        self._room -= 1


@callback
def count_enabled(registry: er.EntityRegistry, entry_id: str) -> int:
    """Count the entities of a config entry that the user has not disabled, as Home Assistant does for its limit."""
    return sum(entry.disabled_by is None for entry in er.async_entries_for_config_entry(registry, entry_id))


def devices_fitting(enabled: int) -> int:
    """Return how many more devices fit."""
    return _MAX_WITH_DEVICES - enabled


def data_fitting(enabled: int, known: int, max_devices: int) -> int:
    """Return how many more data entities fit beside the devices that `max_devices` still allows."""
    return MAX_ENTITIES - enabled - max(0, max_devices - known)
