"""Counts: a site's device counts, once a second at most. In: changes. Out: `current`, and a call when it changes."""

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
    """The counts of one site."""

    handles: Final = (
        ChangeKind.DISCOVERED,
        ChangeKind.FIRST_ONLINE,
        ChangeKind.ONLINE,
        ChangeKind.OFFLINE,
        ChangeKind.MUTED,
        ChangeKind.REMOVED,
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, fleet: Fleet, on_changed: Callable[[], None]) -> None:
        """Start with what the fleet has; `on_changed` is called when `current` has changed."""
        self.current = fleet.counts()
        self._fleet = fleet
        self._on_changed = on_changed
        self._guard = Guard("count the devices")
        self._cooldown = Cooldown(loop, _EVERY, self._count)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Count the restored devices; return a callable that stops counting."""
        self.current = self._fleet.counts()
        return self._cooldown.async_stop

    @callback
    def async_handle(self, _change: Change) -> None:
        """Schedule a count."""
        self._cooldown.async_request()

    def _count(self) -> None:
        with self._guard:
            counts = self._fleet.counts()
            if counts != self.current:
                self.current = counts
                self._on_changed()
