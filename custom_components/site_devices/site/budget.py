"""Budget: how many devices and data entities still fit into a site's config entry.

Home Assistant refuses more than 10,000 enabled entities of an entry. A device needs one, its connectivity, and goes before
data: data keeps a place free for each device that `max_devices` lets in, and the fleet takes no more than fit.
"""

from __future__ import annotations

from collections.abc import Sized
import math
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from ..core.device import DeviceRecord
from ..core.fleet import Fleet
from .ids import decode

MAX_ENTITIES: Final = 9_900  # enabled ones, as far as data may fill the entry
_MAX_WITH_DEVICES: Final = 9_950  # as far as devices may: the rest is for what the user enables between two counts
_COUNTED_EVERY: Final = 1.0  # seconds, at most
_CONNECTIVITY: Final = "/connectivity"


class Budget:
    """The places of one site. Counting visits all its entities: once a minute, and once a second at most when asked."""

    def __init__(self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet, waiting: Sized) -> None:
        """Count nothing yet; `waiting` are the data entities that are not registered yet."""
        self.max_devices = fleet.max_devices  # the option; the fleet's own is lower while fewer fit
        self.fitting = 0  # devices, with those that are known
        self._loop = hass.loop
        self._registry = er.async_get(hass)
        self._entry_id = entry_id
        self._below = len(site_code) + 1  # where a unique id goes on below the site
        self._fleet = fleet
        self._waiting = waiting
        self._room = 0
        self._counted = -math.inf
        self._stale = True
        self._missing: set[str] = set()  # whose connectivity was not registered at the end of the last minute
        self._without: list[str] = []  # nor at the end of the one before

    @callback
    def async_set_max_devices(self, max_devices: int) -> None:
        """Take in how many devices the user wants at most."""
        if max_devices != self.max_devices:
            self.max_devices = max_devices
            self.async_count()

    @callback
    def async_start(self) -> None:
        """Count what an earlier run left; for data it is counted again, since the site's own entities come after this."""
        self.async_count()
        self._stale = True
        self._counted = -math.inf

    @callback
    def async_freed(self) -> None:
        """Count again before data is refused: an entity or a device was removed."""
        self._stale = True

    @callback
    def async_minute_over(self) -> None:
        """Count again, since the user may have enabled or disabled entities; find refused connectivity sensors."""
        missing = self.async_count()
        self._without = sorted(missing & self._missing)
        self._missing = missing

    def without_connectivity(self) -> list[DeviceRecord]:
        """Return the devices that have had no connectivity sensor for a minute, without the muted ones."""
        records = (self._fleet.records.get(key) for key in self._without)
        return [record for record in records if record and not record.muted]

    @callback
    def async_count(self) -> set[str]:
        """Count what there is, and tell the fleet; return the keys of the devices whose connectivity is not registered."""
        entries = er.async_entries_for_config_entry(self._registry, self._entry_id)
        ids = [entry.unique_id for entry in entries if entry.unique_id.endswith(_CONNECTIVITY)]
        paths = (unique_id[self._below : -len(_CONNECTIVITY)] for unique_id in ids)
        # the site has one of that name too, and data may
        registered = {decode(path) for path in paths if path.count("/") == 1}
        records = self._fleet.records
        missing = records.keys() - registered
        taken = _enabled(entries) + len(missing) + len(self._waiting)
        # a device whose page outlived its record, when the store was lost, comes back without needing a place
        known = len(records.keys() | registered)
        self.fitting = known + devices_fitting(taken)
        self._fleet.max_devices = min(self.max_devices, self.fitting)
        self._room = data_fitting(taken, known, self.max_devices)
        self._counted = self._loop.time()
        self._stale = False
        return missing

    def has_room(self) -> bool:
        """Tell whether one more data entity fits. Between two counts only data uses room up: a device takes its own place."""
        if self._stale and self._loop.time() - self._counted >= _COUNTED_EVERY:
            self.async_count()
        return self._room > 0

    def take(self) -> None:
        """Give a place to a data entity."""
        self._room -= 1


@callback
def count_enabled(registry: er.EntityRegistry, entry_id: str) -> int:
    """Count the entities of a config entry that the user has not disabled, as Home Assistant does for its limit."""
    return _enabled(er.async_entries_for_config_entry(registry, entry_id))


def _enabled(entries: list[er.RegistryEntry]) -> int:
    return sum(entry.disabled_by is None for entry in entries)


def devices_fitting(enabled: int) -> int:
    """Return for how many more devices there are places."""
    return _MAX_WITH_DEVICES - enabled


def data_fitting(enabled: int, known: int, max_devices: int) -> int:
    """Return for how many more data entities there are places, beside those kept for devices that may still come."""
    return MAX_ENTITIES - enabled - max(0, max_devices - known)
