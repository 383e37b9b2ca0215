"""Watch: the one timer of a site, which applies the fleet's deadlines.

In, from `site`: messages, echoes, the connection made and lost, pauses. Out: the `Change`s of `fleet.expire` to
`dispatch`, numbered echoes to `send_echo`. Before a device is called offline:

1. The timer wakes a third of a deadline early, so that an echo can still come back (`Link.decide_from`).
2. `link` gives a verdict: wait, ask for an echo, or go on. Nobody is called offline while the connection is in doubt.
3. Messages that have already arrived are read (`_read_turn`).
4. What is still overdue is applied in slices (`_apply_next`).

A blocked loop counts as an interruption (see `core.deadlines`). A step that fails is logged and retried: without a
timer nobody would be called offline again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
import logging
from typing import Final

from homeassistant.core import callback

from ..core.device import Change, ChangeKind
from ..core.fleet import Fleet
from ..core.link import SILENT, Ask, Link
from .pacing import Guard, Slices, Timer
from .readers import Dispatch

_LOGGER = logging.getLogger(__name__)

_BLOCKED: Final = 2.0  # seconds; if a timer is this late the loop was blocked, and read no messages either
# Home Assistant's client reads one message per turn of the loop, and not all of them are ours. After this many turns
# without one of ours everything that had arrived is read.
_QUIET_TURNS: Final = 50  # about a millisecond in an idle loop
_MAX_READING: Final = 1.0  # seconds for which reading may postpone an overdue deadline
_RETRY: Final = 1.0  # seconds after a turn that failed
_OVERDUE: Final = 5.0  # seconds after a deadline; whatever may postpone it takes less


class Watch:
    """Applies the deadlines of a fleet, in slices."""

    handles: Final = (
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
        dispatch: Dispatch,
    ) -> None:
        """Start unarmed; `send_echo` publishes an echo with a number, `dispatch` receives the changes."""
        self.link = Link()
        self.messages = 0  # received since the entry was loaded
        self._loop = loop
        self._fleet = fleet
        self._judged_since: float | None = None
        self._send_echo = send_echo
        self._dispatch = dispatch
        self._guard = Guard("check for silent devices")
        self._timer = Timer(loop, self._wake)
        self._expected_at = 0.0  # the timer is late if it fires well after this
        self._reading: asyncio.Handle | None = None  # the next turn of reading, see `_read_turn`
        self._messages_seen = 0  # `messages` when the last turn began
        self._slices = Slices(loop, self._apply_next, self._guard)
        self._cutoff = 0.0  # deadlines up to this time are being applied
        self._last_step = 0.0  # time of the last step of that
        self._stall_logged = False  # logged only once

    # Called by `site`

    @callback
    def async_message(self, now: float) -> None:
        """Count a message of the site: a proof for `link`."""
        self.messages += 1
        if self.link.message(now) and not self._fleet.paused:
            self._send_echo(self.link.probe(now))

    @callback
    def async_echo(self, number: int) -> None:
        """Process an echo: a verdict may have been waiting for it."""
        blind = self.link.echo(number, self._loop.time())
        if not self._busy:
            self._run(self._decide_now, blind)

    @callback
    def async_connected(self, noticed_within: float) -> float:
        """Return since when there is a connection; MQTT notices within `noticed_within` seconds if it is dead."""
        now = self._loop.time()
        self.link.connected(now, noticed_within)
        return now

    @callback
    def async_lost(self) -> float:
        """Return since when the connection, which is lost now, delivered nothing."""
        return self.link.lost(self._loop.time())

    @callback
    def async_resume(self, since: float) -> None:
        """Apply deadlines again: the site can be heard, and is monitored, since then."""
        self._judged_since = since
        self._fleet.resume(since)
        self.async_arm()

    @callback
    def async_pause(self, since: float) -> None:
        """Suspend all deadlines from then on."""
        self._judged_since = None
        self._fleet.pause(since)
        self.async_arm()

    @property
    def silent_since(self) -> float | None:
        """The loop's time since which deadlines apply without any message so far, otherwise None."""
        return None if self.messages else self._judged_since

    @callback
    def async_handle(self, change: Change) -> None:
        """Set the timer for a new deadline if it is the next."""
        record, kind, _ = change
        if record.online:
            when, deadline = self._timer.when, self._fleet.deadlines.due(record)
            if when is None or self._decide_from(deadline) < when:
                self.async_arm()
        if kind is ChangeKind.CONFLICT or kind is ChangeKind.CONFLICT_ENDED:
            self.async_arm()

    @callback
    def async_arm(self) -> None:
        """Set the timer for the next deadline, if there is one."""
        self._disarm()
        deadline = self._fleet.next_deadline()
        if deadline is not None:
            self._wake_at(self._decide_from(deadline), deadline)

    @callback
    def async_check(self, _now: datetime | None = None) -> None:
        """Apply an overdue deadline that nothing else would apply: a safety net for bugs."""
        deadline = self._fleet.next_deadline()
        now = self._loop.time()
        if deadline is None or now - deadline < _OVERDUE or self._busy:
            return
        if self._timer.when is not None and self._timer.when < now + _OVERDUE:
            return
        if not self._stall_logged:
            self._stall_logged = True
            _LOGGER.warning("The timer for silent devices stood still and was started again: please report this")
        self._run(self._decide_now, None)

    @callback
    def async_stop(self) -> None:
        """Suspend all deadlines and cancel the timer."""
        self._fleet.pause(self._loop.time())
        self._cancel()

    # The timer

    @property
    def _busy(self) -> bool:
        """Whether an overdue deadline is being applied."""
        return self._reading is not None or self._slices.running

    def _decide_from(self, deadline: float) -> float:
        return self.link.decide_from(deadline, self._fleet.deadlines.offline_after)

    def _wake_at(self, when: float, deadline: float) -> None:
        """Schedule one wake-up. Lateness counts from `deadline`, which may be after `when`."""
        if not self._busy:
            when = max(when, self._loop.time())  # a deadline in the past does not make the timer late
            self._expected_at = max(when, deadline)
            self._timer.async_set(when)

    def _disarm(self) -> None:
        """Cancel the timer, after a check whether it is late already."""
        if self._timer.when is not None:
            self._timer.async_cancel()
            self._check_lateness(self._expected_at)

    def _cancel(self) -> None:
        self._timer.async_cancel()
        self._slices.async_stop()
        if self._reading:
            self._reading.cancel()
            self._reading = None

    def _run[*Ts](self, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Run a step; if it fails, retry a little later."""
        with self._guard:
            step(*args)
            return
        self._retry()

    def _retry(self) -> None:
        self._cancel()
        when = self._loop.time() + _RETRY
        self._wake_at(when, when)

    def _check_lateness(self, expected: float) -> float:
        """Return the time. If the loop was blocked since it was to call us, nobody could be heard: an interruption."""
        now = self._loop.time()
        if now - expected > _BLOCKED:
            self._fleet.interrupted(expected, now, now)
        return now

    # From a deadline to the devices that are overdue

    def _wake(self) -> None:
        self._run(self._decide, self._expected_at)

    def _decide_now(self, blind: tuple[float, float] | None) -> None:
        self._disarm()
        now = self._loop.time()
        if blind:
            self._fleet.interrupted(*blind, now)
        self._decide(now)

    def _decide(self, expected_at: float) -> None:
        """Carry out the verdict of `link` on the next deadline."""
        now = self._check_lateness(expected_at)
        self.link.settle(now)
        deadline = self._fleet.next_deadline()
        if deadline is None:
            return
        verdict = self.link.verdict(deadline, self._fleet.deadlines.offline_after, now)
        if verdict is SILENT:
            self._messages_seen = self.messages
            self._reading = self._loop.call_soon(self._run, self._read_turn, now, now + _MAX_READING, now, 0)
            return
        if isinstance(verdict, Ask):
            self._send_echo(self.link.ask(now))
        self._wake_at(verdict.at, deadline)

    def _read_turn(self, queued: float, until: float, quiet_since: float, quiet_turns: int) -> None:
        """Let the loop read for another turn, until it has read all messages; then begin to apply."""
        now = self._check_lateness(queued)
        if self.messages != self._messages_seen:
            self._messages_seen = self.messages
            quiet_since, quiet_turns = now, 0
        if quiet_turns < _QUIET_TURNS and now < until:
            self._reading = self._loop.call_soon(self._run, self._read_turn, now, until, quiet_since, quiet_turns + 1)
            return
        # all messages up to the cutoff are read; what became due later waits for the next round
        self._reading = None
        self._cutoff, self._last_step = quiet_since, now
        self._slices.async_start()

    def _apply_next(self) -> bool:
        """Apply one overdue deadline; if that fails, retry a little later."""
        with self._guard:
            self._check_lateness(self._last_step)
            if changes := self._fleet.expire(self._cutoff):
                self._dispatch(changes)
                self._last_step = self._loop.time()
                return True
            self._slices.async_stop()
            self.async_arm()
            return False
        self._retry()
        return False
