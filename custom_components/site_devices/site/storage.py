"""Storage: save the records of a site to disk within 10 s of a change, and restore them at setup.

The file is `{"site": code, "devices": [{…}], "owners": [key, …], "deleted": [key, …], "monitoring": true}`. A device
has the fields of its record that are set, `told` (`online` or `offline`) and, if it has had its grace, `silent`
(seconds since then). An unusable file is moved aside, and the devices are discovered anew.
"""

from __future__ import annotations

from collections.abc import Callable
import logging
from pathlib import Path
from types import NoneType
from typing import Any, Final, NamedTuple

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady, HomeAssistantError
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from ..core.protocol import Category, Info
from ..core.readings import DataPoint, Kind

_LOGGER = logging.getLogger(__name__)

_VERSION: Final = 1
_SAVE_DELAY: Final = 10  # seconds; a crash loses the changes of this time at most
_MAX_MINUTES_UNSAVED: Final = 15  # a power cut loses this much of "last heartbeat" if nothing else changes
_NUMBER: Final = (int, float)
_ONLINE: Final = "online"
_OFFLINE: Final = "offline"
_PLAIN_FIELDS: Final = {
    "key": (str,),
    "address": (str,),
    "created": _NUMBER,
    "online": (bool,),
    "last_heartbeat": _NUMBER,
    "last_report": _NUMBER,
    "timestamp": (str, *_NUMBER),
    "offline_after": _NUMBER,
}


class Restored(NamedTuple):
    """What was restored besides the devices."""

    monitoring: bool = True  # the position of the site's switch
    put_aside: str | None = None  # path to which an unusable file was moved


class SiteStore:
    """The file of one config entry."""

    handles: Final = tuple(set(ChangeKind) - {ChangeKind.MUTED, ChangeKind.DATA_REFUSED})  # neither is stored

    def __init__(
        self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet, monitoring: Callable[[], bool]
    ) -> None:
        """Store the devices of `fleet` and the position of the site's switch, which `monitoring` returns."""
        self._hass = hass
        self._site_code = site_code
        self._fleet = fleet
        self._monitoring = monitoring
        self._store = _file(hass, entry_id)
        self._pending = False
        self._minutes_unsaved = 0

    async def async_load(self) -> Restored:
        """Restore the devices that the last run stored, if any; return the rest.

        Raises:
            ConfigEntryNotReady: The file can't be read at present.

        """
        try:
            data = await self._store.async_load()
            return Restored() if data is None else self._restore(data)
        except OSError as err:
            raise _unreadable(err) from err
        # the first two: a later version, on the newest and oldest Home Assistant; the rest: not our format
        except (HomeAssistantError, NotImplementedError, AttributeError, KeyError, TypeError, ValueError) as err:
            if isinstance(err.__cause__, OSError):
                raise _unreadable(err) from err
            return Restored(put_aside=await self._async_put_aside(err))

    def _restore(self, data: dict[str, Any]) -> Restored:
        """Add the stored devices to the fleet.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: It is not our format; the fleet is unchanged.

        """
        if data.get("site", self._site_code) != self._site_code:
            raise ValueError(f"it belongs to the site {data['site']!r}")
        records = [record_from(device) for device in data["devices"]]
        if len({record.key for record in records}) < len(records):
            raise ValueError("it contains a device twice")
        owners = {_checked(key, str) for key in data.get("owners", ())}
        deleted = [_checked(key, str) for key in data["deleted"]]
        restored = Restored(monitoring=_checked(data["monitoring"], bool))
        self._fleet.restore(records, deleted, owners)
        return restored

    async def _async_put_aside(self, err: Exception) -> str:
        """Move an unusable file aside, as Home Assistant does when it is not JSON."""
        path = Path(self._store.path)
        aside = f"{path}.corrupt.{dt_util.utcnow().isoformat()}"
        try:
            await self._hass.async_add_executor_job(path.rename, aside)
        except OSError as problem:
            raise _unreadable(problem) from problem
        _LOGGER.error(
            "%s: the stored devices can't be used (%s: %s); the file is kept as %s, devices are discovered anew",
            self._site_code,
            type(err).__name__,
            err,
            aside,
        )
        return aside

    @callback
    def async_handle(self, _change: Change) -> None:
        """Schedule a save."""
        self.async_schedule_save()

    @callback
    def async_schedule_save(self) -> None:
        """Schedule a save. A pending one is not postponed, or a busy site would never be saved."""
        if not self._pending:
            self._pending = True
            self._store.async_delay_save(self._snapshot, _SAVE_DELAY)

    @callback
    def async_minute_over(self) -> None:
        """Schedule a save every quarter of an hour, for the last heartbeats."""
        self._minutes_unsaved += 1
        if self._minutes_unsaved == _MAX_MINUTES_UNSAVED:
            self._minutes_unsaved = 0
            self.async_schedule_save()

    @callback
    def async_schedule_final_save(self) -> None:
        """Schedule a save for Home Assistant's final write."""
        self._store.async_delay_save(self._snapshot, 0)

    async def async_close(self) -> None:
        """Save now and ignore later requests: they would overwrite the next run's file, or bring back a deleted one."""
        self._pending = True
        await self._store.async_save(self._data())

    def _snapshot(self) -> dict[str, Any]:
        self._pending = False
        return self._data()

    def _data(self) -> dict[str, Any]:
        # the oldest Home Assistant calls this from a thread: copy each list and dict before iterating
        fleet, now = self._fleet, self._hass.loop.time()
        return {
            "site": self._site_code,
            "devices": [record_of(record, fleet.silence(record, now)) for record in list(fleet.records.values())],
            "owners": fleet.places.owners(),
            "deleted": list(fleet.deleted),
            "monitoring": self._monitoring(),
        }


async def async_remove_store(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the store file of a config entry."""
    await _file(hass, entry_id).async_remove()


def record_of(record: DeviceRecord, silence: float) -> dict[str, Any]:
    """Return a device as stored; `silence` in seconds is stored if it has had its grace."""
    device = {name: value for name in _PLAIN_FIELDS if (value := getattr(record, name)) is not None}
    device["told"] = _OFFLINE if record.told_offline else _ONLINE
    if record.graced:
        device["silent"] = round(silence, 3)
    if info := {name: text for name, text in record.info._asdict().items() if text}:
        device["info"] = info
    if rivals := record.rivals:
        device["rivals"] = list(rivals)
    if data := record.data.copy():
        device["data"] = {key: tuple(point) for key, point in data.items()}
    return device


def record_from(device: dict[str, Any]) -> DeviceRecord:
    """Return the record of a stored device.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: It is not our format.

    """
    plain = {name: _checked(device[name], *types) for name, types in _PLAIN_FIELDS.items() if name in device}
    Category(plain["key"].partition("/")[0])
    info = Info(**{name: _checked(text, str) for name, text in device.get("info", {}).items()})
    rivals = {_checked(address, str): 0.0 for address in device["rivals"]} if "rivals" in device else None
    data = {
        key: DataPoint(Kind(kind), _checked(unit, str, NoneType), _checked(removed, bool))
        for key, (kind, unit, removed) in device.get("data", {}).items()
    }
    # earlier versions did not store what was told: assume the present state
    told_offline = device["told"] == _OFFLINE if "told" in device else plain.get("online") is False
    graced = "silent" in device
    heard = -float(_checked(device["silent"], *_NUMBER)) if graced else 0.0
    return DeviceRecord(
        **plain, info=info, rivals=rivals, data=data, told_offline=told_offline, graced=graced, heard=heard
    )


def _file(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, _VERSION, f"{DOMAIN}.{entry_id}", atomic_writes=True)


def _checked[T](value: T, *types: type) -> T:
    if not isinstance(value, types):
        raise TypeError(f"{str(value)[:80]!r} is not {types[0].__name__}")
    return value


def _unreadable(err: Exception) -> ConfigEntryNotReady:
    return ConfigEntryNotReady(
        translation_domain=DOMAIN, translation_key="store_unreadable", translation_placeholders={"error": str(err)}
    )
