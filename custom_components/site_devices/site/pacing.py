"""Pacing: when work is done: later, at most so often, and in slices that let the event loop breathe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
import logging
from types import TracebackType
from typing import Final

from homeassistant.core import callback

_LOGGER = logging.getLogger(__name__)

SLICE: Final = 0.005  # seconds for which the event loop is held at once


async def in_slices[T](items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items one by one, and give the loop a turn after each slice of time."""
    loop = asyncio.get_running_loop()
    slice_end = loop.time() + SLICE
    for item in items:
        yield item
        if loop.time() >= slice_end:
            await asyncio.sleep(0)
            slice_end = loop.time() + SLICE


class Guard:
    """A context that suppresses exceptions, so that one device's failure does not stop the work for the others.

    Only the first is logged: whatever fails for one device may fail for all of them.
    """

    def __init__(self, task: str) -> None:
        """`task` completes "Failed to …" in the log."""
        self._task = task
        self._failed = False

    def __enter__(self) -> None:
        """Do nothing: the context may be entered again while it is active."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Log and suppress an exception; what ends the program or a task passes."""
        if not isinstance(error, Exception):
            return False
        if not self._failed:
            self._failed = True
            _LOGGER.error(
                "Failed to %s; the rest goes on, and further failures are not logged", self._task, exc_info=error
            )
        return True


class Timer:
    """One call that is due later; setting it again moves it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
        """Start unset; `action` is called once for each time that is set and reached."""
        self._loop = loop
        self._action = action
        self._handle: asyncio.Handle | None = None
        self.when: float | None = None  # the loop's time at which the call is due, None while none is

    @callback
    def async_set(self, when: float) -> None:
        """Call at this time of the loop, in its next turn if that is over, and not when it was set for before."""
        self.async_cancel()
        self.when = when
        loop = self._loop
        self._handle = loop.call_at(when, self._fire) if when > loop.time() else loop.call_soon(self._fire)

    @callback
    def async_cancel(self) -> None:
        """Do not call."""
        if self._handle:
            self._handle.cancel()
            self._handle = self.when = None

    def _fire(self) -> None:
        self._handle = self.when = None
        self._action()


class Cooldown:
    """Does something in the loop's next turn, for all who ask for it in this one, and then not again for a while."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, action: Callable[[], None]) -> None:
        """`seconds` lie between two calls of `action`."""
        self._loop = loop
        self._seconds = seconds
        self._action = action
        self._timer = Timer(loop, self._act)
        self._not_before = 0.0
        self._stopped = False

    @callback
    def async_request(self) -> None:
        """Act in the next turn, or when the time is over."""
        if self._timer.when is None and not self._stopped:
            self._timer.async_set(self._not_before)

    @callback
    def async_stop(self) -> None:
        """Act no more, whatever is requested."""
        self._stopped = True
        self._timer.async_cancel()

    def _act(self) -> None:
        self._not_before = self._loop.time() + self._seconds
        self._action()


class Slices:
    """Runs a step again and again until nothing is left to do, and gives the loop a turn after each slice of time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, step: Callable[[], bool], guard: Guard) -> None:
        """`step` returns False when nothing was left. One that fails must have taken its item off the queue before."""
        self._loop = loop
        self._step = step
        self._guard = guard
        self._turn: asyncio.Handle | None = None

    @property
    def running(self) -> bool:
        """Tell whether something may be left to do."""
        return self._turn is not None

    @callback
    def async_start(self) -> None:
        """Begin in the loop's next turn, unless it runs already."""
        if self._turn is None:
            self._turn = self._loop.call_soon(self._run)

    @callback
    def async_stop(self) -> None:
        """Run no further step, also when called from within one."""
        if self._turn:
            self._turn.cancel()
            self._turn = None

    def _run(self) -> None:
        slice_end = self._loop.time() + SLICE
        while self._turn:
            with self._guard:
                if not self._step():
                    self._turn = None
            if self._turn and self._loop.time() >= slice_end:
                self._turn = self._loop.call_soon(self._run)
                return
