"""Link: whether a silence is the devices' own, or nothing comes through from the broker at all.

In: the site's messages, the echoes of our own messages, connections made and lost. Out: a verdict on what must be done before
somebody is called offline. `now` is the event loop's time in seconds.

MQTT notices a frozen broker or a pulled cable only after its keepalive, long after the deadlines of a whole fleet. So nobody
is called offline unless the line was proven shortly before: by any message of the site or, when the whole site is silent, by an
echo. A message proves the line, never its blindness. Only a late echo does that, when nothing came within two seconds of the ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
import math
from typing import Final, Literal, NamedTuple

_ASK_FROM: Final = 1 / 3  # of a deadline before its end: a device that beats three times in it has missed a beat then
_LAST_PROOF: Final = 1.0  # seconds before a deadline: the answer must be there in time
_FRESH: Final = 1.0  # seconds by which a proof may be older than it is needed: one serves many devices
_IN_TIME: Final = 2.0  # seconds after an ask in which an echo or a message leaves no doubt about the line
_POLL: Final = 1.0  # seconds until the next check whether a message has come instead of the echo
_ASK_EVERY: Final = 3.0  # seconds; one echo may be lost
_VOID_ASKS: Final = 3  # in a row, after which the broker does not let the echo through
_NO_ASK_FOR: Final = 600.0  # seconds, from then on
_LOST_BY_ASKING: Final = 2  # connections: a broker may end that of whoever publishes what it must not
_SLOW: Final = 2 / 3  # of an echo's lateness: if the one before was as late as this, the echo is slow
_ECHOES_AWAITED: Final = 64  # more than fit into MQTT's patience


class Wait(NamedTuple):
    """Nobody is called offline yet: decide again at this time."""

    at: float


class Ask(NamedTuple):
    """Ask for an echo, and decide again at this time."""

    at: float


class _Silent(Enum):
    SILENT = auto()


SILENT: Final = _Silent.SILENT  # whoever is overdue is truly silent

type Verdict = Wait | Ask | Literal[_Silent.SILENT]


@dataclass(slots=True)
class _Doubt:
    """An ask that nothing has answered in time yet."""

    since: float  # the line's last sign of life before
    asked: float  # first
    slow: float  # seconds by which the last echo before was late
    message: float | None = None  # the first message, when that came too late to be proof at once


class Link:
    """What is known of the line to the broker, and what must be known before a deadline is applied."""

    def __init__(self) -> None:
        """Start without a connection."""
        self.works = False  # an echo has come through since the connection was made
        self._proven = -math.inf  # the line's last sign of life
        self._doubt: _Doubt | None = None
        self._asks: dict[int, float] = {}  # when each echo that may still come was asked for, by its number
        self._number = 0
        self._asked = -math.inf  # last
        self._no_ask_before = -math.inf
        self._void = 0  # asks in a row without an echo
        self._lost_by_asking = 0
        self._lateness = 0.0  # of the last echo
        self._patience = math.inf

    def connected(self, now: float, patience: float) -> None:
        """Begin anew; if nothing comes through, MQTT itself will notice it within `patience` seconds."""
        self.works = False
        self._proven = now
        self._doubt = None
        self._asks.clear()
        self._patience = patience

    def lost(self, now: float) -> float:
        """Take in that the connection is lost; return since when nothing came through."""
        if now - self._asked <= _IN_TIME:
            self._lost_by_asking += 1
            if self._lost_by_asking >= _LOST_BY_ASKING:
                self._no_ask_before = math.inf
        doubt = self._doubt
        if doubt is None:
            return now
        self._end_void(now)
        undecided = doubt.message is None or now - doubt.message <= _IN_TIME  # the echo may have been on its way
        return doubt.since if undecided else now

    def message(self, now: float) -> bool:
        """Take in that the site was heard; return whether to `probe`, since nobody knows whether an echo comes through."""
        if self._doubt is None:
            self._proven = now
            return not self.works and self._wants_probe(now)
        self._heard_in_doubt(self._doubt, now)
        return False

    def probe(self, now: float) -> int:
        """Take in that an echo is asked for without need; return the number that it must bring back."""
        self._void += 1
        return self._send(now)

    def ask(self, now: float) -> int:
        """Take in that an echo is asked for, because silence needs it; return the number that it must bring back."""
        if self._doubt is None:
            self._doubt = _Doubt(since=self._proven, asked=now, slow=self._lateness)
        return self._send(now)

    def echo(self, number: int, now: float) -> tuple[float, float] | None:
        """Take in that an echo came through; return from when to when nothing else did, if that is what it shows."""
        asked = self._asks.pop(number, None)
        if asked is None:
            return None
        blind = None
        lateness = self._lateness = now - asked
        doubt = self._doubt
        if doubt and asked < doubt.asked:  # a probe's, or a message came in its place: it is slow
            self._heard_in_doubt(doubt, now)
        elif doubt:
            self._doubt = None
            end = now if doubt.message is None else doubt.message
            if lateness > _IN_TIME >= now - end and doubt.slow < _SLOW * lateness:
                blind = (doubt.since, end)
        self.works = True
        self._proven = now
        self._void = self._lost_by_asking = 0
        self._no_ask_before = -math.inf
        return blind

    def settle(self, now: float) -> None:
        """End a doubt whose time is over."""
        doubt = self._doubt
        if doubt is None:
            return
        if doubt.message is not None:
            if now >= doubt.message + _IN_TIME:
                self._end_void(now)
        elif now >= doubt.asked + self._patience:
            # what MQTT itself sends does come through: it is only that we may not ask
            self._doubt = None
            self._give_up(now)

    def decide_from(self, deadline: float, offline_after: float) -> float:
        """Return when `verdict` is first worth asking for a deadline, `offline_after` being the site's own in seconds."""
        return deadline if self._no_ask_before > -math.inf else deadline - offline_after * _ASK_FROM

    def verdict(self, deadline: float, offline_after: float, now: float) -> Verdict:
        """Return what must be done before whoever has this deadline is called offline; `settle` comes first."""
        if self._doubt:
            return self._verdict_in_doubt(self._doubt, now)
        if now >= self._no_ask_before:
            for needed in (self.decide_from(deadline, offline_after), deadline - _LAST_PROOF):
                if now < needed:
                    return Wait(needed)
                if self._proven < needed - _FRESH:
                    return Ask(now + _POLL)
        return Wait(deadline) if now < deadline else SILENT

    def _wants_probe(self, now: float) -> bool:
        if now < self._no_ask_before or now - self._asked < _ASK_EVERY:
            return False
        if self._void >= _VOID_ASKS:
            self._give_up(now)
            return False
        return True

    def _send(self, now: float) -> int:
        self._number += 1
        self._asks[self._number] = self._asked = now
        self._no_ask_before = -math.inf
        if len(self._asks) > _ECHOES_AWAITED:
            del self._asks[next(iter(self._asks))]
        return self._number

    def _heard_in_doubt(self, doubt: _Doubt, now: float) -> None:
        """Take in a sign of life that may end the doubt: in time, or so late that no echo came soon after it."""
        if now - doubt.asked <= _IN_TIME:
            self._end_void(now)
        elif doubt.message is None:
            doubt.message = now
        elif now - doubt.message > _IN_TIME:
            self._end_void(now)
        self._proven = now

    def _verdict_in_doubt(self, doubt: _Doubt, now: float) -> Verdict:
        if doubt.message is not None:
            return Wait(doubt.message + _IN_TIME)
        if now >= self._asked + _ASK_EVERY:
            return Ask(now + _POLL)
        return Wait(min(now + _POLL, self._asked + _ASK_EVERY))

    def _end_void(self, now: float) -> None:
        """End a doubt without an echo."""
        self._doubt = None
        self._void += 1
        if self._void >= _VOID_ASKS:
            self._give_up(now)

    def _give_up(self, now: float) -> None:
        """Take silence for real for a while: the echo is not let through."""
        self.works = False
        self._void = 0
        self._no_ask_before = max(self._no_ask_before, now + _NO_ASK_FOR)
