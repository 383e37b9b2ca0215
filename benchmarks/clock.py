"""Clock: the loop's time, which can stand still and jump, and what holds the loop up.

A silence of 30 s is measured without waiting for it: the clock stands still while heartbeats come in, so that all are due
at one moment, and then goes on in leaps to shortly before that. What is due then happens in real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
import time
from typing import Final

_STEP: Final = 1.0  # seconds
_PAUSE: Final = 0.02  # seconds of real time after each step, for what was due in it and for the broker to answer


class Clock:
    """The monotonic time of an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run as fast as time does."""
        self._offset = 0.0
        self._stands_at: float | None = None
        loop.time = self.time  # type: ignore[method-assign]  # the loop itself reads its clock there

    def time(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() + self._offset if self._stands_at is None else self._stands_at

    @contextmanager
    def stands(self) -> Iterator[None]:
        """Let no time pass within the block; afterwards it goes on where it stood."""
        self._stands_at = self.time()
        try:
            yield
        finally:
            self._offset = self._stands_at - time.monotonic()
            self._stands_at = None

    async def leap(self, until: float) -> None:
        """Let the time until then pass at once, in steps so small that no timer is noticeably late."""
        while (left := until - self.time()) > 0:
            self._offset += min(left, _STEP)
            await asyncio.sleep(_PAUSE)


class Turns:
    """Watches how long the turns of the loop take: `longest` is how long nothing else could happen, in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch nothing yet."""
        self._loop = loop
        self._handle: asyncio.Handle | None = None
        self._last = 0.0
        self.longest = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the turns within the block."""
        self.longest = 0.0
        self._last = time.perf_counter()
        self._handle = self._loop.call_soon(self._turn)
        try:
            yield
        finally:
            self._look()
            self._handle.cancel()

    def _turn(self) -> None:
        self._look()
        self._handle = self._loop.call_soon(self._turn)

    def _look(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now
