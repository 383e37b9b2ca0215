"""Slices: work on a whole fleet that lets the event loop breathe, and that no single device can stop."""

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
    """Hand the items out one by one, and give the loop a turn after each slice of time."""
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


class Slices:
    """Runs a step again and again until nothing is left to do, and gives the loop a turn after each slice of time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, step: Callable[[], bool], guard: Guard) -> None:
        """`step` returns False when nothing was left. One that fails must have taken its item off the queue before."""
        self._loop = loop
        self._step = step
        self._guard = guard
        self._turn: asyncio.Handle | None = None

    @callback
    def async_start(self) -> None:
        """Begin with the next turn of the loop, unless it runs already."""
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
