"""Link: whether the devices are silent, or the connection to the broker delivers nothing.

In, from `site.watch`: messages, echoes of our own messages, connections made and lost; `now` is the event loop's time.
Out: a verdict on what must happen before a device is called offline. MQTT notices a frozen broker only after its
keepalive, so the connection must just have delivered something, a proof: a message or, on a silent site, an echo.

- An echo is asked for when a deadline is near without a fresh proof (`verdict`), or as a probe after a message, while
  none has come back on this connection yet (`message`).
- From an ask for a deadline until its answer the connection is in doubt: nobody is called offline, and it asks again
  every 3 s. An echo or a message within 2 s ends the doubt.
- A late echo shows that nothing was delivered since the last proof, an interruption, unless a message came more than
  2 s before the echo or the previous echo was as slow. A late message alone does not show that; a lost connection does.
- No echo at all proves nothing: after three asks in a row, or once MQTT would have noticed a dead connection, deadlines
  apply without asking for ten minutes; after two connections lost right after an ask, until the entry is reloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
import math
from typing import Final, Literal, NamedTuple

_FIRST_ASK: Final = 1 / 3  # of a deadline before its end: one of three heartbeats is missing by then
_LAST_PROOF: Final = 1.0  # seconds before a deadline, so that the echo can be back in time
_FRESH: Final = 1.0  # seconds by which a proof may be older than needed, so that one serves many deadlines
_IN_TIME: Final = 2.0  # seconds after an ask within which an echo or a message ends the doubt
_POLL: Final = 1.0  # seconds between checks for a message in place of the echo
_ASK_EVERY: Final = 3.0  # seconds; one echo may be lost
_MAX_UNANSWERED: Final = 3  # asks in a row, after which the echo is taken to be blocked by the broker
_NO_ASKS_FOR: Final = 600.0  # seconds after that
_LOST_BY_ASKING: Final = 2  # connections lost just after an ask: some brokers disconnect a client for publishing
_SLOW: Final = 2 / 3  # if the previous echo took this share of the time of this one, echoes are just slow
_ECHOES_AWAITED: Final = 64  # more than are sent before MQTT notices a dead connection


class Wait(NamedTuple):
    """Call nobody offline yet; decide again at this time."""

    at: float


class Ask(NamedTuple):
    """Ask for an echo, and decide again at this time."""

    at: float


class _Silent(Enum):
    SILENT = auto()


SILENT: Final = _Silent.SILENT  # whatever is overdue may be called offline

type Verdict = Wait | Ask | Literal[_Silent.SILENT]


@dataclass(slots=True)
class _Doubt:
    """An ask that is not answered yet."""

    since: float  # last proof before it
    asked: float  # first ask
    slow: float  # seconds that the previous echo took
    message: float | None = None  # first message, if it came too late to end the doubt


class Link:
    """The state of the connection to the broker."""

    def __init__(self) -> None:
        """Start disconnected."""
        self.works = False  # an echo has come back on this connection
        self._proven = -math.inf  # time of the last proof
        self._doubt: _Doubt | None = None
        self._asks: dict[int, float] = {}  # pending echoes: number to time of the ask
        self._number = 0
        self._asked = -math.inf  # time of the last ask
        self._no_asks_before = -math.inf
        self._unanswered = 0  # probes and doubts in a row without an echo
        self._lost_by_asking = 0
        self._lateness = 0.0  # seconds that the last echo took
        self._noticed_within = math.inf

    def connected(self, now: float, noticed_within: float) -> None:
        """Reset; MQTT itself notices a dead connection within `noticed_within` seconds."""
        self.works = False
        self._proven = now
        self._doubt = None
        self._asks.clear()
        self._noticed_within = noticed_within

    def lost(self, now: float) -> float:
        """Process a lost connection; return since when it delivered nothing."""
        if now - self._asked <= _IN_TIME:
            self._lost_by_asking += 1
            if self._lost_by_asking >= _LOST_BY_ASKING:
                self._no_asks_before = math.inf
        doubt = self._doubt
        if doubt is None:
            return now
        self._end_unanswered(now)
        undecided = doubt.message is None or now - doubt.message <= _IN_TIME  # the echo may have been under way
        return doubt.since if undecided else now

    def message(self, now: float) -> bool:
        """Process a message of the site; return whether to `probe` for an echo."""
        if self._doubt is None:
            self._proven = now
            return not self.works and self._wants_probe(now)
        self._heard_in_doubt(self._doubt, now)
        return False

    def probe(self, now: float) -> int:
        """Note an ask that no deadline needs; return the number that the echo must carry."""
        self._unanswered += 1
        return self._send(now)

    def ask(self, now: float) -> int:
        """Note an ask for a deadline; return the number that the echo must carry."""
        if self._doubt is None:
            self._doubt = _Doubt(since=self._proven, asked=now, slow=self._lateness)
        return self._send(now)

    def echo(self, number: int, now: float) -> tuple[float, float] | None:
        """Process an echo; return begin and end of the interruption, if it shows one."""
        asked = self._asks.pop(number, None)
        if asked is None:
            return None
        blind = None
        lateness = self._lateness = now - asked
        doubt = self._doubt
        if doubt and asked < doubt.asked:  # from before the doubt: echoes are slow
            self._heard_in_doubt(doubt, now)
        elif doubt:
            self._doubt = None
            end = now if doubt.message is None else doubt.message
            if lateness > _IN_TIME >= now - end and doubt.slow < _SLOW * lateness:
                blind = (doubt.since, end)
        self.works = True
        self._proven = now
        self._unanswered = self._lost_by_asking = 0
        self._no_asks_before = -math.inf
        return blind

    def settle(self, now: float) -> None:
        """End a doubt that has lasted long enough."""
        doubt = self._doubt
        if doubt is None:
            return
        if doubt.message is not None:
            if now >= doubt.message + _IN_TIME:
                self._end_unanswered(now)
        elif now >= doubt.asked + self._noticed_within:
            # MQTT's own pings were answered, so it is only our echo that the broker blocks
            self._doubt = None
            self._give_up(now)

    def decide_from(self, deadline: float, offline_after: float) -> float:
        """Return when to call `verdict` for a deadline; `offline_after` is the site's, in seconds."""
        return deadline if self._no_asks_before > -math.inf else deadline - offline_after * _FIRST_ASK

    def verdict(self, deadline: float, offline_after: float, now: float) -> Verdict:
        """Return what must happen before this deadline may be applied; call `settle` first."""
        if self._doubt:
            return self._verdict_in_doubt(self._doubt, now)
        if now >= self._no_asks_before:
            for needed in (self.decide_from(deadline, offline_after), deadline - _LAST_PROOF):
                if now < needed:
                    return Wait(needed)
                if self._proven < needed - _FRESH:
                    return Ask(now + _POLL)
        return Wait(deadline) if now < deadline else SILENT

    def _wants_probe(self, now: float) -> bool:
        if now < self._no_asks_before or now - self._asked < _ASK_EVERY:
            return False
        if self._unanswered >= _MAX_UNANSWERED:
            self._give_up(now)
            return False
        return True

    def _send(self, now: float) -> int:
        self._number += 1
        self._asks[self._number] = self._asked = now
        self._no_asks_before = -math.inf
        if len(self._asks) > _ECHOES_AWAITED:
            del self._asks[next(iter(self._asks))]
        return self._number

    def _heard_in_doubt(self, doubt: _Doubt, now: float) -> None:
        """Process a proof: it ends the doubt if in time, or if no echo came soon after the first message."""
        if now - doubt.asked <= _IN_TIME:
            self._end_unanswered(now)
        elif doubt.message is None:
            doubt.message = now
        elif now - doubt.message > _IN_TIME:
            self._end_unanswered(now)
        self._proven = now

    def _verdict_in_doubt(self, doubt: _Doubt, now: float) -> Verdict:
        if doubt.message is not None:
            return Wait(doubt.message + _IN_TIME)
        if now >= self._asked + _ASK_EVERY:
            return Ask(now + _POLL)
        return Wait(min(now + _POLL, self._asked + _ASK_EVERY))

    def _end_unanswered(self, now: float) -> None:
        """End a doubt to which no echo came."""
        self._doubt = None
        self._unanswered += 1
        if self._unanswered >= _MAX_UNANSWERED:
            self._give_up(now)

    def _give_up(self, now: float) -> None:
        """Stop asking for a while: the echo does not come through."""
        self.works = False
        self._unanswered = 0
        self._no_asks_before = max(self._no_asks_before, now + _NO_ASKS_FOR)
