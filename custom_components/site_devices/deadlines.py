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
            self._timer = self._loop.call_at(deadline, self._wake, deadline)

    def _wake(self, deadline: float) -> None:
        self._timer = None
        now = self._loop.time()
        if now - deadline > _BLIND:
            self._fleet.forgive(now - deadline, now)
        due = self._fleet.next_deadline()
        if due is None or due > now:
            self._arm(due)
        else:
            self._give_turn(now + _PATIENCE)

    def _give_turn(self, until: float) -> None:
        # what call_soon queues runs before what the same turn reads: only the second one comes after a whole turn
        self._turn = self._loop.call_soon(self._turn_begins, until, self._messages())

    def _turn_begins(self, until: float, messages: int) -> None:
        self._turn = self._loop.call_soon(self._turn_over, until, messages)

    def _turn_over(self, until: float, messages: int) -> None:
        if self._messages() - messages >= _BURST and self._loop.time() < until:
            self._give_turn(until)
        else:
            self._apply_overdue()

    def _apply_overdue(self) -> None:
        now = self._loop.time()
        slice_end = now + SLICE
        while changes := self._fleet.expire(now):
            self._apply(changes)
            now = self._loop.time()
            if now >= slice_end:
                self._turn = self._loop.call_soon(self._apply_overdue)
                return
        self._turn = None
        self.async_arm()
