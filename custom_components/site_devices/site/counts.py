"""Counts: how many devices of a site there are, counted once a second at most, however many flip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from homeassistant.core import CALLBACK_TYPE, callback

from ..core.device import Change, ChangeKind
from ..core.fleet import Fleet
from .pacing import Cooldown, Guard

_EVERY: Final = 1.0  # seconds


class SiteCounts:
    """What the site's own entities show."""

    hears: Final = (
        ChangeKind.DISCOVERED,
        ChangeKind.FIRST_ONLINE,
        ChangeKind.ONLINE,
        ChangeKind.OFFLINE,
        ChangeKind.MUTED,
        ChangeKind.REMOVED,
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, fleet: Fleet, on_changed: Callable[[], None]) -> None:
        """Count nothing yet; `on_changed` is called when the counts are others than before."""
        self.counts = fleet.counts()
        self._fleet = fleet
        self._on_changed = on_changed
        self._guard = Guard("count the devices")
        self._cooldown = Cooldown(loop, _EVERY, self._count)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Count what is there from the start; return what ends the counting."""
        self.counts = self._fleet.counts()
        return self._cooldown.async_stop

    @callback
    def async_hear(self, _change: Change) -> None:
        """Count again soon: a count may have changed."""
        self._cooldown.async_request()

    def _count(self) -> None:
        with self._guard:
            counts = self._fleet.counts()
            if counts != self.counts:
                self.counts = counts
                self._on_changed()
