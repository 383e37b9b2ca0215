"""Arrivals: devices and data points that are new get their pages and entities, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from homeassistant.core import callback

from .fleet import DeviceRecord, Fleet
from .registry import DevicePages
from .slices import SLICE

_AT_ONCE: Final = 10  # their entities take about as long to add as the loop may be held


class Arrival(NamedTuple):
    """A device, or one data point of a device that has arrived before."""

    record: DeviceRecord
    leaf: str | None = None  # the data point's key


type AddArrivals = Callable[[list[Arrival]], None]


class Arrivals:
    """Hands what is new to the platforms, a few at once and for no longer than a slice of time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fleet: Fleet, pages: DevicePages) -> None:
        """Wait for the first."""
        self._loop = loop
        self._fleet = fleet
        self._pages = pages
        self._platforms: list[AddArrivals] = []
        self._waiting: deque[Arrival] = deque()
        self._turn: asyncio.Handle | None = None

    @callback
    def async_on_arrival(self, add: AddArrivals) -> None:
        """Call a platform with what is known so far, and then with what is new."""
        records = self._fleet.records.values()
        known = [Arrival(record) for record in records]
        known += [Arrival(record, key) for record in records for key, point in record.data.items() if not point.removed]
        add(known)
        self._platforms.append(add)

    @callback
    def async_add(self, arrival: Arrival) -> None:
        """Take one in; it is there a turn of the loop later, together with the others of this turn."""
        self._waiting.append(arrival)
        if self._turn is None:
            self._turn = self._loop.call_soon(self._add)

    @callback
    def async_forget(self, record: DeviceRecord) -> None:
        """Hand over nothing of a deleted device."""
        self._waiting = deque(arrival for arrival in self._waiting if arrival.record is not record)

    @callback
    def async_stop(self) -> None:
        """Hand over nothing more."""
        if self._turn:
            self._turn.cancel()

    def _add(self) -> None:
        slice_end = self._loop.time() + SLICE
        while self._waiting:
            if self._loop.time() >= slice_end:
                self._turn = self._loop.call_soon(self._add)
                return
            some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
            for arrival in some:
                if arrival.leaf is None:
                    self._pages.async_create(arrival.record)
            for add in self._platforms:
                add(some)
        self._turn = None
