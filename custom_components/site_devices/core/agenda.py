"""Agenda: a heap of items whose due times may move later without notice.

In, from `deadlines` and `fleet`: items, and a function that returns when one is due. Out: the item that is due first.

A heartbeat moves a deadline without updating the heap, to stay cheap. So a stored time may be too early, never too
late; it is corrected when its item reaches the top.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Final

_MAX_CORRECTIONS: Final = 1000  # a few milliseconds; the rest is corrected by the next call


class Agenda[T: Hashable]:
    """A heap of distinct items."""

    def __init__(self, due: Callable[[T], float | None]) -> None:
        """Start empty; `due` returns the present due time of an item, None to drop it."""
        self._due = due
        self._heap: list[tuple[float, int, T]] = []
        self._items: set[T] = set()
        self._order = count()  # a tie-breaker: items are never compared

    def add(self, item: T) -> None:
        """Add an item, unless it is present."""
        if item not in self._items and (when := self._due(item)) is not None:
            self._items.add(item)
            heappush(self._heap, (when, next(self._order), item))

    def clear(self) -> None:
        """Drop all items, for instance since times may have become earlier."""
        self._heap.clear()
        self._items.clear()

    def first(self) -> tuple[float, T] | None:
        """Return the item that is due first and its time, which may be too early; None when empty."""
        left = _MAX_CORRECTIONS
        while self._heap:
            stored, _, item = self._heap[0]
            if not left:
                return stored, item
            left -= 1
            due = self._due(item)
            if due is None:
                heappop(self._heap)
                self._items.remove(item)
            elif due > stored:
                heapreplace(self._heap, (due, next(self._order), item))
            else:
                return due, item
        return None
