"""Issues: what the user has to know or decide, on Home Assistant's repairs page.

Each is raised when its cause is found, kept up to date in place, and taken back when the cause is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .fleet import DeviceRecord
from .markdown import escape

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


class SiteIssues:
    """The issues of one site."""

    def __init__(
        self, hass: HomeAssistant, entry_id: str, site_code: str, page_id: Callable[[DeviceRecord], str | None]
    ) -> None:
        """Raise nothing yet; `page_id` gives what names a device without telling its serial."""
        self._hass = hass
        self._entry_id = entry_id
        self._site_code = site_code
        self._page_id = page_id
        self._raised: dict[str, dict[str, str]] = {}  # placeholders by id
        self._replaced: dict[str, tuple[DeviceRecord, DeviceRecord]] = {}  # the pairs that were offered, by id

    @callback
    def async_set_conflicts(self, records: Sequence[DeviceRecord]) -> None:
        """Tell of serials that are alive at two addresses, or (none) that there are none."""
        self._set_devices(
            CONFLICT, records, lambda device: f"{escape(device.serial)} ({', '.join(map(escape, device.rivals or ()))})"
        )

    @callback
    def async_set_data_limit(self, records: Sequence[DeviceRecord]) -> None:
        """Tell that some data of these devices has no entity, or (none) that all has."""
        self._set_devices(DATA_LIMIT, records, _named)

    @callback
    def async_set_no_connectivity(self, records: Sequence[DeviceRecord]) -> None:
        """Tell that Home Assistant refused the connectivity of these devices, or (none) that all have it."""
        self._set_devices(NO_CONNECTIVITY, records, _named)

    @callback
    def async_set_device_limit(self, max_devices: int | None) -> None:
        """Tell that there are more devices than the site takes, or (None) that there are not."""
        self._set(DEVICE_LIMIT, None if max_devices is None else {"max_devices": str(max_devices)}, fixable=True)

    @callback
    def async_set_entity_limit(self, full: bool) -> None:
        """Tell that entities leave no room for more devices, or that there is some."""
        self._set(ENTITY_LIMIT, {} if full else None)

    @callback
    def async_set_silent(self, silent: bool) -> None:
        """Tell that the site was never heard, or that it was."""
        self._set(SILENT_SITE, {} if silent else None)

    @callback
    def async_set_unsteady(self, times: int | None) -> None:
        """Tell that the connection to the broker was lost so often within an hour, or (None) that it was not."""
        self._set(UNSTEADY_CONNECTION, None if times is None else {"times": str(times)})

    @callback
    def async_set_store_lost(self, file: str | None) -> None:
        """Tell that the stored devices could not be used and are kept in a file.

        That stays until the user ignores it, over restarts as well; a later loss is told again.
        """
        if file is None:
            return
        ir.async_delete_issue(self._hass, DOMAIN, self._id(STORE_LOST))
        name = Path(file).name
        names = {"folder": escape(str(Path(file).parent)), "ending": escape(name[name.index(".corrupt.") :])}
        self._create(STORE_LOST, names, persistent=True)

    @callback
    def async_set_replacements(self, pairs: Sequence[tuple[DeviceRecord, DeviceRecord]]) -> None:
        """Offer to let each second device go on as the first, whose place it has taken."""
        # Home Assistant lists the ids in the diagnostics, where no serial belongs
        offered = {
            f"{REPLACED}_{self._page_id(old)}_{self._page_id(new)}": (old, new)
            for old, new in pairs[:_REPLACED_AT_ONCE]
        }
        for key, (old, new) in list(self._replaced.items()):
            # who let both stay is not asked again because the new one was silent for a while
            if key not in offered and not (self._is_ignored(key) and self._may_be_replaced(old, new)):
                del self._replaced[key]
                self._set(key, None)
        self._replaced |= offered
        for key, (old, new) in offered.items():
            names = {"address": escape(old.address), "old": escape(old.serial), "new": escape(new.serial)}
            names |= {"old_plain": old.serial, "new_plain": new.serial}
            data = {"old": old.key, "new": new.key}
            self._set(key, names, translation_key=REPLACED, fixable=True, data=data)

    @callback
    def async_stop(self) -> None:
        """Take back what the user has not ignored: that must still be known when the cause is found again."""
        for key in list(self._raised):
            if not self._is_ignored(key):
                self._set(key, None)

    def _may_be_replaced(self, old: DeviceRecord, new: DeviceRecord) -> bool:
        """Tell whether both are still there, and the old one is still where the new one was heard last."""
        pages = (self._page_id(old), self._page_id(new))
        return None not in pages and not old.online and old.place == new.place

    def _is_ignored(self, key: str) -> bool:
        issue = ir.async_get(self._hass).async_get_issue(DOMAIN, self._id(key))
        return issue is not None and issue.dismissed_version is not None

    def _set_devices(self, key: str, records: Sequence[DeviceRecord], name: Callable[[DeviceRecord], str]) -> None:
        """Raise an issue about devices, of which some are named, or (none) take it back."""
        some = ", ".join(map(name, records[:_DEVICES_NAMED])) + (" …" if len(records) > _DEVICES_NAMED else "")
        self._set(key, {"count": str(len(records)), "devices": some} if records else None)

    def _set(
        self,
        key: str,
        placeholders: dict[str, str] | None,
        **how: Any,
    ) -> None:
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
            # `…_plain` is for titles, where no Markdown is
            translation_placeholders={
                "site": escape(self._site_code),
                "site_plain": self._site_code,
                **placeholders,
            },
        )

    def _id(self, key: str) -> str:
        return f"{self._entry_id}_{key}"


@callback
def async_delete_issues(hass: HomeAssistant, entry_id: str) -> None:
    """Delete all issues of a site that is removed, also those that the user ignored."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.startswith(f"{entry_id}_"):
            ir.async_delete_issue(hass, domain, issue_id)


def _named(record: DeviceRecord) -> str:
    return f"{escape(record.label)} ({escape(record.serial)})"
