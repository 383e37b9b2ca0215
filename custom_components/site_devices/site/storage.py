"""Storage: the records of a site to and from disk, so that a restart forgets nothing.

What is written is `{"site": code, "devices": [{…}], "owners": [key, …], "deleted": [key, …], "monitoring": true}`, a device
being the fields of its record that say something, `told` (`online` or `offline`) and, once its grace after an interruption
is used up, `silent` (seconds since then). A file that can't be used is kept aside, and the devices are discovered anew.
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
_SAVE_DELAY: Final = 10  # seconds; a crash loses no more than this of what changed
_MINUTES_UNSAVED: Final = 15  # what a power cut may take from "last heartbeat" while nothing else changes
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
    """What was restored apart from the devices."""

    monitoring: bool = True  # the position of the site's switch
    put_aside: str | None = None  # where a file that can't be used was put


class SiteStore:
    """The file of one config entry."""

    hears: Final = tuple(set(ChangeKind) - {ChangeKind.MUTED, ChangeKind.DATA_REFUSED})  # neither is stored

    def __init__(
        self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet, monitoring: Callable[[], bool]
    ) -> None:
        """Name the file; `monitoring` gives the position of the site's switch, to be stored with the devices of `fleet`."""
        self._hass = hass
        self._site_code = site_code
        self._fleet = fleet
        self._monitoring = monitoring
        self._store = _file(hass, entry_id)
        self._pending = False
        self._minutes_unsaved = 0

    async def async_load(self) -> Restored:
        """Restore what the last run stored, if anything; return the rest of it.

        Raises:
            ConfigEntryNotReady: There is a file, and it can't be read at present.

        """
        try:
            data = await self._store.async_load()
            return Restored() if data is None else self._restore(data)
        except OSError as err:
            raise _unreadable(err) from err
        # of a later version: how the oldest and the newest Home Assistant tell; the rest: of another shape than ours
        except (HomeAssistantError, NotImplementedError, AttributeError, KeyError, TypeError, ValueError) as err:
            if isinstance(err.__cause__, OSError):
                raise _unreadable(err) from err
            return Restored(put_aside=await self._async_put_aside(err))

    def _restore(self, data: dict[str, Any]) -> Restored:
        """Take in what was read.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: It is not what we write; the fleet is as it was.

        """
        if data.get("site", self._site_code) != self._site_code:
            raise ValueError(f"it is of the site {data['site']!r}")
        records = [record_from(device) for device in data["devices"]]
        if len({record.key for record in records}) < len(records):
            raise ValueError("a device is in it twice")
        owners = {_checked(key, str) for key in data.get("owners", ())}
        deleted = [_checked(key, str) for key in data["deleted"]]
        restored = Restored(monitoring=_checked(data["monitoring"], bool))
        self._fleet.restore(records, deleted, owners)
        return restored

    async def _async_put_aside(self, err: Exception) -> str:
        """Keep a file that can't be used, as Home Assistant keeps one that is no JSON."""
        path = Path(self._store.path)
        aside = f"{path}.corrupt.{dt_util.utcnow().isoformat()}"
        try:
            await self._hass.async_add_executor_job(path.rename, aside)
        except OSError as problem:
            raise _unreadable(problem) from problem
        _LOGGER.error(
            "%s: the stored devices can't be used (%s: %s); the file is kept as %s, and the devices are discovered anew",
            self._site_code,
            type(err).__name__,
            err,
            aside,
        )
        return aside

    @callback
    def async_hear(self, _change: Change) -> None:
        """Save soon what has changed."""
        self.async_schedule_save()

    @callback
    def async_schedule_save(self) -> None:
        """Save soon. A save that is pending is not put off, so a busy site gets saved as well."""
        if not self._pending:
            self._pending = True
            self._store.async_delay_save(self._snapshot, _SAVE_DELAY)

    @callback
    def async_minute_over(self) -> None:
        """Save each quarter of an hour when nothing else asks for it."""
        self._minutes_unsaved += 1
        if self._minutes_unsaved == _MINUTES_UNSAVED:
            self._minutes_unsaved = 0
            self.async_schedule_save()

    @callback
    def async_schedule_final_save(self) -> None:
        """Save with the last things that Home Assistant does before it stops."""
        self._store.async_delay_save(self._snapshot, 0)

    async def async_close(self) -> None:
        """Save now, and no more: whatever came later would overwrite what the next run saves, or a deleted file."""
        self._pending = True
        await self._store.async_save(self._data())

    def _snapshot(self) -> dict[str, Any]:
        self._pending = False
        return self._data()

    def _data(self) -> dict[str, Any]:
        # the oldest Home Assistant asks from a thread, while the loop goes on: each list and dict is copied at once
        fleet, now = self._fleet, self._hass.loop.time()
        return {
            "site": self._site_code,
            "devices": [record_of(record, fleet.silence(record, now)) for record in list(fleet.records.values())],
            "owners": fleet.places.owners(),
            "deleted": list(fleet.deleted),
            "monitoring": self._monitoring(),
        }


async def async_remove_store(hass: HomeAssistant, entry_id: str) -> None:
    """Delete the file of a config entry."""
    await _file(hass, entry_id).async_remove()


def record_of(record: DeviceRecord, silence: float) -> dict[str, Any]:
    """Return what is stored of a device that has been silent for so many seconds since its grace."""
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
    """Return the record of what is stored.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: It is not what we write.

    """
    plain = {name: _checked(device[name], *types) for name, types in _PLAIN_FIELDS.items() if name in device}
    Category(plain["key"].partition("/")[0])
    info = Info(**{name: _checked(text, str) for name, text in device.get("info", {}).items()})
    rivals = {_checked(address, str): 0.0 for address in device["rivals"]} if "rivals" in device else None
    data = {
        key: DataPoint(Kind(kind), _checked(unit, str, NoneType), _checked(removed, bool))
        for key, (kind, unit, removed) in device.get("data", {}).items()
    }
    # an earlier version did not keep what was told: it is taken for what is true
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
        raise TypeError(f"{str(value)[:80]!r} is no {types[0].__name__}")
    return value


def _unreadable(err: Exception) -> ConfigEntryNotReady:
    return ConfigEntryNotReady(
        translation_domain=DOMAIN, translation_key="store_unreadable", translation_placeholders={"error": str(err)}
    )
