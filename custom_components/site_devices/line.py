"""Line: whether a site's silence is its own, or nothing comes through from the broker at all.

MQTT notices a frozen broker or a pulled cable only after its keepalive, long after the deadlines of a whole fleet. So
nobody is called offline unless the line was seen alive shortly before: by any message of the site or, when it is silent
as a whole, by an echo, which is a message of our own that the broker sends back. Where no echo has ever come through
since the connection was made (the broker may not let us), silence is taken for real.

Knows no clock: `now` is the event loop's time in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Final

_FIRST_LOOK: Final = 1 / 3  # of a deadline before its end: a device that beats three times in it has missed a beat then
_LAST_LOOK: Final = 1.0  # seconds before a deadline: the answer is to be there in time
_FRESH: Final = 1.0  # seconds by which a proof may be older than the look that needs it: one does for many devices
_BLIND: Final = 2.0  # seconds; an answer this late means that nothing came through until then
_POLL: Final = 1.0  # seconds between two looks whether a message has come in place of a late answer
_TRIES: Final = 5  # echoes that are asked for in vain, before none is any more


class Line:
    """What is known of the line, and what has to be known before a deadline is applied."""

    def __init__(self, ask: Callable[[], None]) -> None:
        """Know nothing; `ask` is called when an echo is wanted."""
        self.works = False  # an echo has come through since the connection was made
        self._ask = ask
        self._tries = 0  # echoes asked for since one came through
        self._next_try = -math.inf
        self._heard = -math.inf  # the site's last message
        self._proven = -math.inf  # the line's last sign of life
        self._asked: float | None = None  # since when an answer is due
        self._patience = math.inf
        self._blind = 0.0
        self._blind_since = -math.inf

    def connected(self, now: float, patience: float) -> None:
        """Begin anew; if nothing comes through, MQTT itself will notice it within `patience` seconds."""
        self.works = False
        self._heard = self._proven = now
        self._asked = None
        self._patience = patience
        self._blind = 0.0

    def message(self, now: float) -> None:
        """Take in that the site was heard. The first few on a connection find out whether an echo comes through."""
        if self._asked is not None:
            self._answered(now)
        self._heard = self._proven = now
        if not self.works and self._tries < _TRIES and now >= self._next_try:
            self._tries += 1
            self._next_try = now + _POLL
            self._ask()

    def echo(self, now: float) -> None:
        """Take in that an echo came through."""
        if self._asked is not None:
            self._answered(now)
        self.works = True
        self._proven = now
        self._tries = 0

    def first_look(self, deadline: float, offline_after: float) -> float:
        """Return when to look first before a deadline, `offline_after` being the site's own in seconds."""
        return deadline - offline_after * _FIRST_LOOK if self.works else deadline

    def look(self, deadline: float, offline_after: float, now: float) -> float | None:
        """Return when to look again, or None when what is overdue is truly silent. Asks for an echo if it must."""
        if self._asked is not None:
            if now - self._asked < self._patience:
                return now + _POLL
            self.works = False  # what MQTT itself sends does come through: it is only that we may not ask any more
            self._asked = None
        if self.works:
            for look in (self.first_look(deadline, offline_after), deadline - _LAST_LOOK):
                if now < look:
                    return look
                if self._proven < look - _FRESH:
                    self._asked = now
                    self._ask()
                    return now + _POLL
        return deadline if now < deadline else None

    def take_blindness(self) -> float:
        """Return for how long nothing came through, once for each such time."""
        blind, self._blind = self._blind, 0.0
        return blind

    def _answered(self, now: float) -> None:
        asked, self._asked = self._asked, None
        # nothing has been heard since the line was blind before? Then it is slow, and its devices are silent
        if asked is not None and now - asked > _BLIND and self._heard != self._blind_since:
            self._blind = now - self._heard
            self._blind_since = self._heard
