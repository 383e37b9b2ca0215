"""Watch: silence. The one timer of a site wakes at the fleet's next deadline and applies what is overdue then.

It wakes shortly before when the site is silent as a whole: for what is overdue to be applied in time, `link` must have seen the
line alive by then. It decides what must be done before anybody is called offline, and is done here. Whatever fails in a turn is
logged, and the timer goes on: one that stopped would never call anybody offline again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
import logging
from typing import Final

from homeassistant.core import callback

from ..core.device import Change, ChangeKind
from ..core.fleet import Fleet
from ..core.link import SILENT, Ask, Link
from .pacing import Guard, Slices, Timer

_LOGGER = logging.getLogger(__name__)

_HELD: Final = 2.0  # seconds; a timer this late means that the loop could not read either
# Home Assistant's client reads one message in a turn of the loop, and not all of them are ours. So what had arrived has
# been read when so many turns in a row brought none: a queue in which every tenth is ours is read through all the same.
_QUIET_TURNS: Final = 50  # a millisecond of a free loop
_PATIENCE: Final = 1.0  # seconds for which reading may put an overdue deadline off
_RETRY: Final = 1.0  # seconds after a turn that failed
_OVERDUE: Final = 5.0  # seconds after a deadline; whatever may put it off decides again before that


class Watch:
    """Applies the deadlines of a fleet in slices, but never before what has already arrived was read.

    And never while it may be the line to the broker that is silent.
    """

    hears: Final = (
        ChangeKind.DISCOVERED,
        ChangeKind.FIRST_ONLINE,
        ChangeKind.ONLINE,
        ChangeKind.CONFLICT,
        ChangeKind.CONFLICT_ENDED,
        ChangeKind.REPLACED,
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fleet: Fleet,
        *,
        send_echo: Callable[[int], None],
        tell: Callable[[Sequence[Change]], None],
    ) -> None:
        """Start unarmed; `send_echo` publishes an echo with a number, `tell` takes what silence changed."""
        self.link = Link()
        self.messages = 0  # received since the entry was loaded
        self._loop = loop
        self._fleet = fleet
        self._judging_since: float | None = None
        self._send_echo = send_echo
        self._tell = tell
        self._guard = Guard("look after silent devices")
        self._timer = Timer(loop, self._wake)
        self._late_from = 0.0  # for the timer
        self._reading: asyncio.Handle | None = None  # from an overdue deadline until what has arrived was read
        self._read = 0  # messages, when the last turn began
        self._slices = Slices(loop, self._apply_next, self._guard)
        self._cutoff = 0.0  # what was overdue then is being applied
        self._stepped = 0.0  # when that last went on
        self._stood_still = False  # once, which was logged

    # What happens

    @callback
    def async_message(self, now: float) -> None:
        """Count a message of the site, which proves the line."""
        self.messages += 1
        if self.link.message(now) and not self._fleet.paused:
            self._send_echo(self.link.probe(now))

    @callback
    def async_echo(self, number: int) -> None:
        """Take an echo, which somebody may be waiting for."""
        blind = self.link.echo(number, self._loop.time())
        if not self._busy:
            self._run(self._decide_now, blind)

    @callback
    def async_connected(self, patience: float) -> float:
        """Return since when the line is there; should it die, MQTT itself notices that within `patience` seconds."""
        now = self._loop.time()
        self.link.connected(now, patience)
        return now

    @callback
    def async_lost(self) -> float:
        """Return since when nothing came through the connection that is lost now."""
        return self.link.lost(self._loop.time())

    @callback
    def async_judge(self, since: float) -> None:
        """Judge silence: the site has been heard and monitored since then."""
        self._judging_since = since
        self._fleet.resume(since)
        self.async_arm()

    @callback
    def async_pause(self, since: float) -> None:
        """Judge no silence since then."""
        self._judging_since = None
        self._fleet.pause(since)
        self.async_arm()

    @property
    def silent_since(self) -> float | None:
        """The loop's time since which silence has been judged, None while it is not, or once the site was heard."""
        return None if self.messages else self._judging_since

    @callback
    def async_hear(self, change: Change) -> None:
        """Wake for a deadline that is new."""
        record, kind, _ = change
        if record.online:
            when, deadline = self._timer.when, self._fleet.deadlines.due(record)
            if when is None or self._decide_from(deadline) < when:
                self.async_arm()
        if kind is ChangeKind.CONFLICT or kind is ChangeKind.CONFLICT_ENDED:
            self.async_arm()

    @callback
    def async_arm(self) -> None:
        """Wake for the next deadline, if there is one."""
        self._disarm()
        deadline = self._fleet.next_deadline()
        if deadline is not None:
            self._wake_at(self._decide_from(deadline), deadline)

    @callback
    def async_check(self, _now: datetime | None = None) -> None:
        """Decide at once if a deadline is overdue and nothing would apply it, which must not happen."""
        deadline = self._fleet.next_deadline()
        now = self._loop.time()
        if deadline is None or now - deadline < _OVERDUE or self._busy:
            return
        if self._timer.when is not None and self._timer.when < now + _OVERDUE:
            return
        if not self._stood_still:
            self._stood_still = True
            _LOGGER.warning("The timer for silent devices stood still and was started again: please report this")
        self._run(self._decide_now, None)

    @callback
    def async_stop(self) -> None:
        """Judge nobody any longer."""
        self._fleet.pause(self._loop.time())
        self._cancel()

    # The timer

    @property
    def _busy(self) -> bool:
        """Tell whether an overdue deadline is being applied."""
        return self._reading is not None or self._slices.running

    def _decide_from(self, deadline: float) -> float:
        return self.link.decide_from(deadline, self._fleet.deadlines.offline_after)

    def _wake_at(self, when: float, deadline: float) -> None:
        """Schedule one wake-up. Lateness counts from `deadline`, which may be after `when`."""
        if not self._busy:
            when = max(when, self._loop.time())  # one that is overdue already makes no late timer
            self._late_from = max(when, deadline)
            self._timer.async_set(when)

    def _disarm(self) -> None:
        """Cancel the timer; if it is late already, every device gets the time back for which the loop was held."""
        if self._timer.when is not None:
            self._timer.async_cancel()
            self._time_since(self._late_from)

    def _cancel(self) -> None:
        self._timer.async_cancel()
        self._slices.async_stop()
        if self._reading:
            self._reading.cancel()
            self._reading = None

    def _run[*Ts](self, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Run a turn; if it fails, try again a little later."""
        with self._guard:
            step(*args)
            return
        self._retry()

    def _retry(self) -> None:
        self._cancel()
        when = self._loop.time() + _RETRY
        self._wake_at(when, when)

    def _time_since(self, expected: float) -> float:
        """Return the time. If the loop was held since it was to call us, nobody could be heard meanwhile."""
        now = self._loop.time()
        if now - expected > _HELD:
            self._fleet.interrupted(expected, now, now)
        return now

    # From a deadline to those who are overdue

    def _wake(self) -> None:
        self._run(self._decide, self._late_from)

    def _decide_now(self, blind: tuple[float, float] | None) -> None:
        self._disarm()
        now = self._loop.time()
        if blind:
            self._fleet.interrupted(*blind, now)
        self._decide(now)

    def _decide(self, late_from: float) -> None:
        """Do what must be done before the next deadline is applied."""
        now = self._time_since(late_from)
        self.link.settle(now)
        deadline = self._fleet.next_deadline()
        if deadline is None:
            return
        verdict = self.link.verdict(deadline, self._fleet.deadlines.offline_after, now)
        if verdict is SILENT:
            self._read = self.messages
            self._reading = self._loop.call_soon(self._run, self._read_on, now, now + _PATIENCE, now, 0)
            return
        if isinstance(verdict, Ask):
            self._send_echo(self.link.ask(now))
        self._wake_at(verdict.at, deadline)

    def _read_on(self, queued: float, until: float, quiet_since: float, quiet_turns: int) -> None:
        """Begin a turn of the loop: see what the one before has read, and go on until nothing more comes in."""
        now = self._time_since(queued)
        if self.messages != self._read:
            self._read = self.messages
            quiet_since, quiet_turns = now, 0
        if quiet_turns < _QUIET_TURNS and now < until:
            self._reading = self._loop.call_soon(self._run, self._read_on, now, until, quiet_since, quiet_turns + 1)
            return
        # before the cutoff everything was read; what has fallen due since has a turn to come
        self._reading = None
        self._cutoff, self._stepped = quiet_since, now
        self._slices.async_start()

    def _apply_next(self) -> bool:
        """Apply one overdue deadline; if that fails, try again a little later."""
        with self._guard:
            self._time_since(self._stepped)
            if changes := self._fleet.expire(self._cutoff):
                self._tell(changes)
                self._stepped = self._loop.time()
                return True
            self._slices.async_stop()
            self.async_arm()
            return False
        self._retry()
        return False
