"""Issues: what the user must know or decide, on Home Assistant's repairs page.

In: changes, refusals and lost connections from `site`; causes asked of `fleet`, `data_entities` and `watch`. Out:
issues, raised when their cause is found, updated in place, and deleted when it is gone. A check visits all devices: it
runs every minute and after a change that may be a cause, but once a second at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from ..const import DOMAIN
from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from ..core.markdown import escape
from .data_entities import DataEntities
from .pacing import Cooldown

CONFLICT: Final = "conflict"
DATA_LIMIT: Final = "data_limit"
DEVICE_LIMIT: Final = "device_limit"
ENTITY_LIMIT: Final = "entity_limit"
NO_CONNECTIVITY: Final = "no_connectivity"
REPLACED: Final = "replaced"
SILENT_SITE: Final = "silent_site"
STORE_LOST: Final = "store_lost"
UNSTEADY_CONNECTION: Final = "unsteady_connection"
_DEVICES_NAMED: Final = 20
_REPLACED_AT_ONCE: Final = 20
_EVERY: Final = 1.0  # seconds
_HEARD_NOTHING: Final = 600  # seconds without any message, while listening
_UNSTEADY: Final = 6  # losses of the connection in this time; a broker that restarts once or twice is fine
_UNSTEADY_WITHIN: Final = 3600
_REFUSED_RECENTLY: Final = 600  # seconds for which a refused device counts


class SiteIssues:
    """The issues of one site."""

    handles: Final = (
        ChangeKind.DISCOVERED,
        ChangeKind.CONFLICT,
        ChangeKind.CONFLICT_ENDED,
        ChangeKind.DATA_REFUSED,
        ChangeKind.MUTED,
        ChangeKind.REMOVED,
    )

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        site_code: str,
        fleet: Fleet,
        data: DataEntities,
        page_id: Callable[[DeviceRecord], str | None],
        silent_since: Callable[[], float | None],
    ) -> None:
        """Raise nothing yet.

        `page_id` returns the id of a device's page, `silent_since` the loop's time since which deadlines apply without
        any message so far, otherwise None.
        """
        self._hass = hass
        self._loop = hass.loop
        self._entry_id = entry_id
        self._site_code = site_code
        self._fleet = fleet
        self._data = data
        self._page_id = page_id
        self._silent_since = silent_since
        self._losses: deque[float] = deque(maxlen=_UNSTEADY)  # the last times the connection was lost
        self._refused_at: float | None = None  # when a device was last refused
        self._cooldown = Cooldown(hass.loop, _EVERY, self._check)
        self._raised: dict[str, dict[str, str]] = {}  # placeholders by id
        self._replaced: dict[str, tuple[DeviceRecord, DeviceRecord]] = {}  # offered pairs by id

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Return a callable that deletes the issues, except ignored ones: the registry must remember those."""

        @callback
        def stop() -> None:
            self._cooldown.async_stop()
            for key in list(self._raised):
                if not self._is_ignored(key):
                    self._set(key, None)

        return stop

    # Possible causes

    @callback
    def async_handle(self, change: Change) -> None:
        """Schedule a check, if the change may cause or end an issue."""
        if change.kind is ChangeKind.DISCOVERED:
            self._refused_at = None  # there was room: a device that is still refused sends again
        else:
            self.async_check()

    @callback
    def async_check(self) -> None:
        """Schedule a check, once a second at most."""
        self._cooldown.async_request()

    @callback
    def async_connection_lost(self) -> None:
        """Note that the connection to the broker was lost."""
        self._losses.append(self._loop.time())
        self.async_check()

    @callback
    def async_device_refused(self) -> None:
        """Note that a device was refused, and raise the issue at once."""
        self._refused_at = self._loop.time()
        self._check_full(self._refused_at)

    @callback
    def async_set_store_lost(self, file: str) -> None:
        """Raise an issue: the stored devices could not be used and are kept in a file.

        It stays until the user ignores it, also after restarts; a later loss raises it again.
        """
        ir.async_delete_issue(self._hass, DOMAIN, self._id(STORE_LOST))
        name = Path(file).name
        names = {"folder": escape(str(Path(file).parent)), "ending": escape(name[name.index(".corrupt.") :])}
        self._create(STORE_LOST, names, persistent=True)

    # Checks

    def _check(self) -> None:
        now = self._loop.time()
        conflicts = [record for record in self._fleet.conflicts() if not record.muted]
        self._set_devices(CONFLICT, conflicts, _named_with_rivals)
        self._set_devices(DATA_LIMIT, self._data.refused(), _named)
        self._set_devices(NO_CONNECTIVITY, self._data.budget.without_connectivity(), _named)
        self._check_replacements(now)
        since = self._silent_since()
        self._set(SILENT_SITE, {} if since is not None and now - since >= _HEARD_NOTHING else None)
        unsteady = len(self._losses) == _UNSTEADY and now - self._losses[0] <= _UNSTEADY_WITHIN
        self._set(UNSTEADY_CONNECTION, {"times": str(_UNSTEADY)} if unsteady else None)
        self._check_full(now)

    def _check_full(self, now: float) -> None:
        """Raise an issue while devices are refused: by the option, or since entities take up the room."""
        fleet, known = self._fleet, len(self._fleet.records)
        full = (
            self._refused_at is not None
            and now - self._refused_at < _REFUSED_RECENTLY
            and fleet.accept_new
            and known >= fleet.max_devices
        )
        more_fit = self._data.budget.fitting > known
        limit = {"max_devices": str(fleet.max_devices)} if full and more_fit else None
        self._set(DEVICE_LIMIT, limit, fixable=True)
        self._set(ENTITY_LIMIT, {} if full and not more_fit else None)

    def _check_replacements(self, now: float) -> None:
        """Offer to continue the first device of each pair with the second, which has taken its place."""
        pairs = self._fleet.replacements(now)
        # page ids, not serials: Home Assistant lists issue ids in the diagnostics
        offered = {
            f"{REPLACED}_{self._page_id(old)}_{self._page_id(new)}": (old, new)
            for old, new in pairs[:_REPLACED_AT_ONCE]
        }
        for key, (old, new) in list(self._replaced.items()):
            # keep an ignored issue when the new device is just silent for a while, or the user would be asked again
            if key not in offered and not (self._is_ignored(key) and self._may_be_replaced(old, new)):
                del self._replaced[key]
                self._set(key, None)
        self._replaced |= offered
        for key, (old, new) in offered.items():
            names = {"address": escape(old.address), "old": escape(old.serial), "new": escape(new.serial)}
            names |= {"old_plain": old.serial, "new_plain": new.serial}
            data = {"old": old.key, "new": new.key}
            self._set(key, names, translation_key=REPLACED, fixable=True, data=data)

    def _may_be_replaced(self, old: DeviceRecord, new: DeviceRecord) -> bool:
        """Return whether both still exist at the same address and the old one is not online."""
        pages = (self._page_id(old), self._page_id(new))
        return None not in pages and not old.online and old.place == new.place

    def _is_ignored(self, key: str) -> bool:
        issue = ir.async_get(self._hass).async_get_issue(DOMAIN, self._id(key))
        return issue is not None and issue.dismissed_version is not None

    def _set_devices(self, key: str, records: Sequence[DeviceRecord], name: Callable[[DeviceRecord], str]) -> None:
        """Raise or update an issue about devices, naming some; delete it if there are none."""
        some = ", ".join(map(name, records[:_DEVICES_NAMED])) + (" …" if len(records) > _DEVICES_NAMED else "")
        self._set(key, {"count": str(len(records)), "devices": some} if records else None)

    def _set(self, key: str, placeholders: dict[str, str] | None, **how: Any) -> None:
        """Raise or update an issue; delete it if `placeholders` is None."""
        if self._raised.get(key) == placeholders:
            return
        if placeholders is None:
            del self._raised[key]
            ir.async_delete_issue(self._hass, DOMAIN, self._id(key))
            return
        self._raised[key] = placeholders
        self._create(key, placeholders, **how)

    def _create(
        self,
        key: str,
        placeholders: dict[str, str],
        *,
        translation_key: str | None = None,
        fixable: bool = False,
        persistent: bool = False,
        data: dict[str, Any] | None = None,
    ) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._id(key),
            data={"entry_id": self._entry_id, **(data or {})},
            is_fixable=fixable,
            is_persistent=persistent,
            severity=ir.IssueSeverity.WARNING,
            translation_key=translation_key or key,
            # `…_plain` is for titles, which are not Markdown
            translation_placeholders={"site": escape(self._site_code), "site_plain": self._site_code, **placeholders},
        )

    def _id(self, key: str) -> str:
        return f"{self._entry_id}_{key}"


@callback
def async_delete_issues(hass: HomeAssistant, entry_id: str) -> None:
    """Delete all issues of a removed site, including ignored ones."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.startswith(f"{entry_id}_"):
            ir.async_delete_issue(hass, domain, issue_id)


def _named_with_rivals(record: DeviceRecord) -> str:
    return f"{escape(record.serial)} ({', '.join(map(escape, record.rivals or ()))})"


def _named(record: DeviceRecord) -> str:
    return f"{escape(record.label)} ({escape(record.serial)})"
