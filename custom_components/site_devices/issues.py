"""Issues: what the user has to know or decide, on Home Assistant's repairs page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .fleet import DeviceRecord
from .markdown import escape

_DATA_LIMIT: Final = "data_limit"
_DEVICES_NAMED: Final = 20


class SiteIssues:
    """The issues of one site."""

    def __init__(self, hass: HomeAssistant, entry_id: str, site_code: str) -> None:
        """Raise nothing yet."""
        self._hass = hass
        self._entry_id = entry_id
        self._site_code = site_code

    @callback
    def async_set_data_limit(self, records: Sequence[DeviceRecord]) -> None:
        """Tell that some data of these devices has no entity, or (none) that all has."""
        if records:
            self._raise(_DATA_LIMIT, {"count": str(len(records)), "devices": _names(records)})
        else:
            self._clear(_DATA_LIMIT)

    @callback
    def async_clear(self) -> None:
        """Take everything back: issues outlive their config entry."""
        self._clear(_DATA_LIMIT)

    def _raise(self, key: str, placeholders: dict[str, str]) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._id(key),
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=key,
            translation_placeholders={"site": escape(self._site_code), **placeholders},
        )

    def _clear(self, key: str) -> None:
        ir.async_delete_issue(self._hass, DOMAIN, self._id(key))

    def _id(self, key: str) -> str:
        return f"{key}_{self._entry_id}"


def _names(records: Iterable[DeviceRecord]) -> str:
    names = [escape(str(record)) for record in records]
    return ", ".join(names[:_DEVICES_NAMED]) + (" …" if len(names) > _DEVICES_NAMED else "")
