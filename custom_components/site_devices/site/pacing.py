"""Pacing: run work later, at a limited rate, guarded, or in slices. In: callables. Out: calls to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
import logging
from types import TracebackType
from typing import Final

from homeassistant.core import callback

_LOGGER = logging.getLogger(__name__)

SLICE: Final = 0.005  # seconds for which the event loop may be blocked


async def in_slices[T](items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items, and yield to the event loop after each slice of time."""
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
        """Do nothing: the context is reentrant."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Log and suppress an `Exception`; let cancellation and exit pass."""
        if not isinstance(error, Exception):
            return False
        if not self._failed:
            self._failed = True
            _LOGGER.error(
                "Failed to %s; the rest goes on, and further failures are not logged", self._task, exc_info=error
            )
        return True


class Timer:
    """A single scheduled call, which can be moved and cancelled."""

    def __init__(self, loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
        """Start unset; `action` is called when the time is reached."""
        self._loop = loop
        self._action = action
        self._handle: asyncio.Handle | None = None
        self.when: float | None = None  # the loop's time of the call, None if none is scheduled

    @callback
    def async_set(self, when: float) -> None:
        """Schedule the call, or move it; for a time in the past, to the loop's next turn."""
        self.async_cancel()
        self.when = when
        loop = self._loop
        self._handle = loop.call_at(when, self._fire) if when > loop.time() else loop.call_soon(self._fire)

    @callback
    def async_cancel(self) -> None:
        """Cancel the call."""
        if self._handle:
            self._handle.cancel()
            self._handle = self.when = None

    def _fire(self) -> None:
        self._handle = self.when = None
        self._action()


class Cooldown:
    """Combines requests: acts in the loop's next turn, then not again until the cooldown has passed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, action: Callable[[], None]) -> None:
        """`seconds` is the least time between two calls of `action`."""
        self._loop = loop
        self._seconds = seconds
        self._action = action
        self._timer = Timer(loop, self._act)
        self._not_before = 0.0
        self._stopped = False

    @callback
    def async_request(self) -> None:
        """Request a call, in the next turn or when the cooldown has passed."""
        if self._timer.when is None and not self._stopped:
            self._timer.async_set(self._not_before)

    @callback
    def async_stop(self) -> None:
        """Cancel, and ignore later requests."""
        self._stopped = True
        self._timer.async_cancel()

    def _act(self) -> None:
        self._not_before = self._loop.time() + self._seconds
        self._action()


class Slices:
    """Runs a step until nothing is left to do, yielding to the event loop after each slice of time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, step: Callable[[], bool], guard: Guard) -> None:
        """`step` returns False when nothing is left; it must dequeue its item before it can fail."""
        self._loop = loop
        self._step = step
        self._guard = guard
        self._turn: asyncio.Handle | None = None

    @property
    def running(self) -> bool:
        """Whether something may be left to do."""
        return self._turn is not None

    @callback
    def async_start(self) -> None:
        """Start in the loop's next turn, unless running."""
        if self._turn is None:
            self._turn = self._loop.call_soon(self._run)

    @callback
    def async_stop(self) -> None:
        """Stop; may be called from within a step."""
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
