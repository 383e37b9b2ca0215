"""Summary: the counts of a site, taken at most once a second, however many devices flip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from homeassistant.core import callback

from .fleet import Fleet
from .slices import Guard

_EVERY: Final = 1.0  # seconds


class Summary:
    """What the site's own entities show."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fleet: Fleet, on_changed: Callable[[], None]) -> None:
        """Have counted nothing; `on_changed` hears of other counts."""
        self.counts = fleet.counts()
        self._loop = loop
        self._fleet = fleet
        self._on_changed = on_changed
        self._guard = Guard("count the devices")
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @callback
    def async_start(self) -> None:
        """Count what is there from the start."""
        self.counts = self._fleet.counts()

    @callback
    def async_changed(self) -> None:
        """Count again, now or when a second is over."""
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._loop.time(), self._not_before), self._count)

    @callback
    def async_stop(self) -> None:
        """Count no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _count(self) -> None:
        self._timer = None
        self._not_before = self._loop.time() + _EVERY
        with self._guard:
            counts = self._fleet.counts()
            if counts != self.counts:
                self.counts = counts
                self._on_changed()
