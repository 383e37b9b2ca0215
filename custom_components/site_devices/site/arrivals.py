"""Arrivals: create pages and entities for what is new, in order.

In: `DISCOVERED` and `DATA_FOUND` changes, which are queued. Out: calls to `pages`, then to each platform.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from homeassistant.core import CALLBACK_TYPE, callback

from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from .pacing import Guard, Slices
from .pages import Pages

_AT_ONCE: Final = 10  # adding their entities takes about one slice


class Arrival(NamedTuple):
    """A device, or a data point of a device that has arrived before."""

    record: DeviceRecord
    leaf: str | None = None  # the data point's key


type AddArrivals = Callable[[list[Arrival]], None]


class Arrivals:
    """Hands new devices and data points to the platforms, in slices."""

    handles: Final = (ChangeKind.DISCOVERED, ChangeKind.DATA_FOUND, ChangeKind.REMOVED)

    def __init__(self, loop: asyncio.AbstractEventLoop, fleet: Fleet, pages: Pages) -> None:
        """Start without platforms."""
        self._fleet = fleet
        self._pages = pages
        self._platforms: list[AddArrivals] = []
        self._waiting: deque[Arrival] = deque()
        self._guard = Guard("create a device page or its entities")
        self._slices = Slices(loop, self._add_some, self._guard)

    @callback
    def async_on_arrival(self, add: AddArrivals) -> None:
        """Register a platform: call it with what is known, and from then on with what is new."""
        records = self._fleet.records.values()
        known = [Arrival(record) for record in records]
        known += [Arrival(record, key) for record in records for key, point in record.data.items() if not point.removed]
        self._hand_over(known, add)
        self._platforms.append(add)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Return a callable that stops handing over."""
        return self._slices.async_stop

    @callback
    def async_handle(self, change: Change) -> None:
        """Queue what is new for the loop's next turn, and drop what was removed."""
        record, kind, key = change
        if kind is ChangeKind.REMOVED:
            self._waiting = deque(arrival for arrival in self._waiting if arrival.record is not record)
        else:
            self._waiting.append(Arrival(record, key))
            self._slices.async_start()

    def _add_some(self) -> bool:
        if not self._waiting:
            return False
        some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
        for arrival in some:
            if arrival.leaf is None:
                with self._guard:
                    self._pages.async_create(arrival.record)
        for add in self._platforms:
            self._hand_over(some, add)
        return True

    def _hand_over(self, arrivals: list[Arrival], add: AddArrivals) -> None:
        """Call a platform; if that fails, once for each arrival, so that only the failing one gets no entity."""
        # an entity without a page would create an empty one
        arrivals = [arrival for arrival in arrivals if self._pages.device_id(arrival.record)]
        with self._guard:
            add(arrivals)
            return
        for arrival in arrivals:
            with self._guard:
                add([arrival])
