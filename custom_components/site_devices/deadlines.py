"""Deadlines: the one timer of a site. It wakes at the fleet's next deadline and applies what is overdue then.

And shortly before, when the site is silent as a whole: for what is overdue to be applied in time, the line must have
been seen alive by then. Whatever goes wrong in a turn of it is logged, and the timer goes on: one that stopped would never
call anybody offline again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
import logging
from typing import Final

from homeassistant.core import callback

from .fleet import Change, Fleet
from .line import Line, Step, Wait
from .slices import SLICE, Guard

_LOGGER = logging.getLogger(__name__)

_BLIND: Final = 2.0  # seconds; a timer this late means that the loop could not read either
# Home Assistant's client reads one message in a turn of the loop, and not all of them are ours. So what had arrived has
# been read when so many turns in a row brought none: a queue in which every tenth is ours is read through all the same.
_QUIET_TURNS: Final = 50  # a millisecond of a free loop
_PATIENCE: Final = 1.0  # seconds for which reading may put an overdue deadline off
_RETRY: Final = 1.0  # seconds after a turn that failed
_OVERDUE: Final = 5.0  # seconds after a deadline; whatever may put it off looks again before that


class DeadlineTimer:
    """Applies the deadlines of a fleet in slices, but never before what has already arrived was read.

    And never while it may be the line to the broker that is silent.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fleet: Fleet,
        line: Line,
        *,
        ask: Callable[[], None],
        apply: Callable[[Sequence[Change]], None],
        messages: Callable[[], int],
    ) -> None:
        """Start unarmed.

        `ask` sends an echo off, `apply` takes the changes, `messages` tells how many the site has received so far.
        """
        self._loop = loop
        self._fleet = fleet
        self._line = line
        self._ask = ask
        self._apply = apply
        self._messages = messages
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when the timer is late from
        self._turn: asyncio.Handle | None = None  # set from an overdue deadline until all of them are applied
        self._heard = 0  # messages so far when the last turn began
        self._guard = Guard("look after silent devices")
        self._stood_still = False  # once, which was logged

    @callback
    def async_arm(self) -> None:
        """Wake for the next deadline, if there is one."""
        self._disarm()
        deadline = self._fleet.next_deadline()
        if deadline is not None:
            self._wake_at(self._line.first_look(deadline, self._fleet.offline_after), deadline)

    @callback
    def async_arm_by(self, deadline: float) -> None:
        """Wake for a deadline that is new, unless another one comes before it."""
        if self._timer is None or self._line.first_look(deadline, self._fleet.offline_after) < self._timer.when():
            self.async_arm()

    @callback
    def async_look(self) -> None:
        """Look at once: the line has given a sign of life that somebody may be waiting for."""
        if self._turn is None:
            self._run(self._look_now)

    @callback
    def async_watch(self) -> None:
        """Look at once if a deadline is overdue and nothing would apply it, which must not happen."""
        deadline = self._fleet.next_deadline()
        now = self._loop.time()
        if deadline is None or now - deadline < _OVERDUE or self._turn:
            return
        if self._timer and self._timer.when() < now + _OVERDUE:
            return
        if not self._stood_still:
            self._stood_still = True
            _LOGGER.warning("The timer for silent devices stood still and was started again: please report this")
        self.async_look()

    @callback
    def async_stop(self) -> None:
        """Cancel the timer."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._turn:
            self._turn.cancel()
            self._turn = None

    def _look_now(self) -> None:
        self._disarm()
        self._wake(self._loop.time())

    def _disarm(self) -> None:
        """Cancel the timer; if it is late already, every device gets the time back in which the loop was blind."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
            self._look(self._due)

    def _wake_at(self, when: float, deadline: float) -> None:
        """Wake once, for a deadline: only when that has passed as well does the timer come late."""
        if self._turn is None:
            when = max(when, self._loop.time())  # one that is overdue already makes no late timer
            self._due = max(when, deadline)
            self._timer = self._loop.call_at(when, self._run, self._wake, self._due)

    def _run[*Ts](self, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Run a turn; if it fails, try again a little later."""
        with self._guard:
            step(*args)
            return
        self.async_stop()
        when = self._loop.time() + _RETRY
        self._wake_at(when, when)

    def _wake(self, due: float) -> None:
        self._timer = None
        now = self._look(due)
        if blind := self._line.take_blindness():
            self._fleet.interrupted(*blind, now)
        deadline = self._fleet.next_deadline()
        if deadline is None:
            return
        step = self._line.look(deadline, self._fleet.offline_after, now)
        if step is Step.ASK:
            self._ask()
            step = self._line.look(deadline, self._fleet.offline_after, now)
        if isinstance(step, Wait):
            self._wake_at(step.at, deadline)
        else:
            self._heard = self._messages()
            self._turn = self._loop.call_soon(self._run, self._read_on, now, now + _PATIENCE, now, 0)

    def _read_on(self, queued: float, until: float, quiet_since: float, quiet_turns: int) -> None:
        """Begin a turn of the loop: look at what the one before has read, and go on until nothing more comes in."""
        now = self._look(queued)
        messages = self._messages()
        if messages != self._heard:
            self._heard = messages
            quiet_since, quiet_turns = now, 0
        if quiet_turns < _QUIET_TURNS and now < until:
            self._turn = self._loop.call_soon(self._run, self._read_on, now, until, quiet_since, quiet_turns + 1)
        else:
            self._apply_overdue(now, quiet_since)

    def _apply_overdue(self, queued: float, cutoff: float) -> None:
        """Apply what was overdue at the cutoff: before it everything was read, what fell due since has a turn to come."""
        now = self._look(queued)
        slice_end = now + SLICE
        while changes := self._fleet.expire(cutoff):
            self._apply(changes)
            now = self._loop.time()
            if now >= slice_end:
                self._turn = self._loop.call_soon(self._run, self._apply_overdue, now, cutoff)
                return
        self._turn = None
        self.async_arm()

    def _look(self, expected: float) -> float:
        """Return the time. If the loop was blind since it was to call us, that was an interruption."""
        now = self._loop.time()
        if now - expected > _BLIND:
            self._fleet.interrupted(expected, now, now)
        return now
