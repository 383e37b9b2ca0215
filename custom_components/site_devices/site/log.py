"""Log: a site's lines in Home Assistant's log, few enough to read. In: changes, ignored messages. Out: log lines."""

from __future__ import annotations

from collections import Counter
import logging
from typing import Final

from homeassistant.core import callback

from ..core.device import Change, ChangeKind
from ..core.protocol import IgnoreReason

_LOGGER = logging.getLogger(__name__)

_LINES_A_MINUTE: Final = 20
_TEXTS: Final = {
    ChangeKind.DISCOVERED: "discovered",
    ChangeKind.FIRST_ONLINE: "online",
    ChangeKind.ONLINE: "online again",
    ChangeKind.OFFLINE: "offline",
    ChangeKind.MOVED: "moved here",
    ChangeKind.CONFLICT: "alive at two addresses",
    ChangeKind.CONFLICT_ENDED: "alive at one address again",
}


class SiteLog:
    """The log of one site: a line for each of the first changes in a minute, and a total for the rest."""

    handles: Final = tuple(_TEXTS)

    def __init__(self, site_code: str) -> None:
        """Start with zero counts."""
        self.ignored: Counter[IgnoreReason] = Counter()  # since the entry was loaded
        self._site_code = site_code
        self._lines = 0
        self._not_logged: Counter[ChangeKind] = Counter()
        self._counted: dict[IgnoreReason, int] = {}
        self._shown: set[IgnoreReason] = set()

    @callback
    def async_handle(self, change: Change) -> None:
        """Log a change, or count it for the total."""
        record, kind, _ = change
        if self._lines < _LINES_A_MINUTE:
            self._lines += 1
            _LOGGER.info("%s: %s: %s", self._site_code, record, _TEXTS[kind])
        else:
            self._not_logged[kind] += 1

    def message_ignored(self, reason: IgnoreReason, topic: str) -> None:
        """Count an ignored message; log the first of each reason in a minute."""
        self.ignored[reason] += 1
        if reason not in self._shown:
            self._shown.add(reason)
            _LOGGER.debug("%s: ignored a message on %r: %s", self._site_code, topic[:200], reason)

    def minute_over(self) -> None:
        """Log totals, and begin a new minute."""
        if self._not_logged:
            rest = ", ".join(f"{count} {_TEXTS[kind]}" for kind, count in self._not_logged.items())
            _LOGGER.info("%s: and in the same minute: %s", self._site_code, rest)
        if self.ignored != self._counted:
            counts = ", ".join(f"{reason} {count}" for reason, count in self.ignored.items())
            _LOGGER.debug("%s: ignored so far: %s", self._site_code, counts)
            self._counted = dict(self.ignored)
        self._lines = 0
        self._not_logged.clear()
        self._shown.clear()
