"""Deadlines: the one timer of a site. It wakes at the fleet's next deadline and applies what is overdue then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from homeassistant.core import callback

from .fleet import Change, Fleet

SLICE: Final = 0.005  # seconds for which the event loop is held at once
_BLIND: Final = 2.0  # seconds; a timer this late means that the loop could not read either
_BURST: Final = 100  # messages in one turn of the loop: there are more behind them
_PATIENCE: Final = 1.0  # seconds for which bursts may put an overdue deadline off


class DeadlineTimer:
    """Applies the deadlines of a fleet in slices, but never before what has already arrived was read."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        fleet: Fleet,
        apply: Callable[[Sequence[Change]], None],
        messages: Callable[[], int],
    ) -> None:
        """Start unarmed; `apply` takes the changes, `messages` tells how many the site has received so far."""
        self._loop = loop
        self._fleet = fleet
        self._apply = apply
        self._messages = messages
        self._timer: asyncio.TimerHandle | None = None
        self._turn: asyncio.Handle | None = None  # set from an overdue deadline until all of them are applied

    @callback
    def async_arm(self) -> None:
        """Wake at the next deadline, if there is one."""
        self._arm(self._fleet.next_deadline())

    @callback
    def async_arm_by(self, deadline: float) -> None:
        """Wake at a deadline that is new, unless another one comes before it."""
        if self._timer is None or deadline < self._timer.when():
            self._arm(deadline)

    @callback
    def async_stop(self) -> None:
        """Wake no more."""
        self._arm(None)
        if self._turn:
            self._turn.cancel()
            self._turn = None

    def _arm(self, deadline: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if deadline is not None and self._turn is None:
            due = max(deadline, self._loop.time())  # one that is overdue already makes no late timer
            self._timer = self._loop.call_at(due, self._wake, due)

    def _wake(self, due: float) -> None:
        self._timer = None
        now = self._look(due)
        deadline = self._fleet.next_deadline()
        if deadline is None or deadline > now:
            self._arm(deadline)
        else:
            # what call_soon queues runs before what the same turn reads: now, only the next turn is a whole one
            self._turn = self._loop.call_soon(self._turn_begins, now, now + _PATIENCE)

    def _turn_begins(self, queued: float, until: float) -> None:
        now = self._look(queued)
        self._turn = self._loop.call_soon(self._turn_over, now, until, self._messages())

    def _turn_over(self, began: float, until: float, messages: int) -> None:
        now = self._look(began)
        if self._messages() - messages >= _BURST and now < until:
            self._turn_begins(now, until)
        else:
            self._apply_overdue(now, began)

    def _apply_overdue(self, queued: float, began: float) -> None:
        """Apply what was overdue when the last turn began: what fell due since has had no turn of its own."""
        now = self._look(queued)
        slice_end = now + SLICE
        while changes := self._fleet.expire(began):
            self._apply(changes)
            now = self._loop.time()
            if now >= slice_end:
                self._turn = self._loop.call_soon(self._apply_overdue, now, began)
                return
        self._turn = None
        self.async_arm()

    def _look(self, expected: float) -> float:
        """Return the time. If the loop was blind since it was to call us, every deadline moves by as much."""
        now = self._loop.time()
        if now - expected > _BLIND:
            self._fleet.forgive(now - expected, now)
        return now
