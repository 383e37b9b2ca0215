"""When each device is due: one heap for the whole fleet, spread evenly over the interval.

In: the time, on any clock. Out: which device is due. Knows devices only by index, from 0.
"""

from heapq import heapify, heapreplace
from random import Random


class Schedule:
    """The turns of `count` devices, one per interval each.

    Every device has its own slot in the interval, and jitter delays a turn by at most that fraction of the interval.
    Delays do not accumulate, so the load stays even, and two turns are never further apart than
    `interval * (1 + jitter)`.
    """

    def __init__(self, count: int, *, start: float, interval: float, jitter: float, chance: Random) -> None:
        """Spread the first turns over the interval that begins at `start`.

        Raises:
            ValueError: `interval` or `jitter` is out of range.

        """
        if interval <= 0 or not 0 <= jitter <= 1:
            raise ValueError("interval must be above 0, and jitter from 0 to 1")
        self._interval = interval
        self._jitter = jitter
        self._chance = chance
        self._heap = [self._turn(start + interval * index / count, index) for index in range(count)]
        heapify(self._heap)

    def next_due(self) -> float | None:
        """When the next turn is, or None if there are no devices."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> int | None:
        """Return the device that is due, if any, and schedule its next turn."""
        if not self._heap or self._heap[0][0] > now:
            return None
        due, slot, index = self._heap[0]
        missed = int((now - due) / self._interval)  # after a stall, continue without a burst to catch up
        heapreplace(self._heap, self._turn(slot + (missed + 1) * self._interval, index))
        return index

    def _turn(self, slot: float, index: int) -> tuple[float, float, int]:
        return slot + self._interval * self._jitter * self._chance.random(), slot, index
