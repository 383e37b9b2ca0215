"""Agenda: things by the time at which each is due, which may move on unnoticed.

In: things, and a function that says when one is due. Out: the one that is due first. Knows no clock.

A heartbeat moves a deadline on without telling anybody, for it must cost nothing. So what the heap holds may be too early,
never too late, and is put right when it has come to the top.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Final

_PUT_RIGHT_AT_ONCE: Final = 1000  # a few milliseconds; the rest keeps a time that is too early until the next question


class Agenda[T: Hashable]:
    """A heap of things, each in it once."""

    def __init__(self, due: Callable[[T], float | None]) -> None:
        """Start empty; `due` gives the time of a thing now, None for one that is no longer wanted."""
        self._due = due
        self._heap: list[tuple[float, int, T]] = []
        self._things: set[T] = set()
        self._order = count()  # so that two things with one time are never compared

    def add(self, thing: T) -> None:
        """Take a thing in, unless it is there."""
        if thing not in self._things and (when := self._due(thing)) is not None:
            self._things.add(thing)
            heappush(self._heap, (when, next(self._order), thing))

    def clear(self) -> None:
        """Drop everything: times may have become earlier."""
        self._heap.clear()
        self._things.clear()

    def first(self) -> tuple[float, T] | None:
        """Return what is due first, and when: not before this time, in any case. None when there is nothing."""
        left = _PUT_RIGHT_AT_ONCE
        while self._heap:
            noted, _, thing = self._heap[0]
            if not left:
                return noted, thing
            left -= 1
            due = self._due(thing)
            if due is None:
                heappop(self._heap)
                self._things.remove(thing)
            elif due > noted:
                heapreplace(self._heap, (due, next(self._order), thing))
            else:
                return due, thing
        return None
