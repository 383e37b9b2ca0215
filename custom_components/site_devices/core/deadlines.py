"""Deadlines: when each online device will be offline, if it is not heard until then.

In: devices that are heard, and interruptions in which nobody could be. Out: who is overdue.

A device's deadline is its last heartbeat plus its own `offline_after`, or the site's. The online devices of each distinct
`offline_after` stand in one queue, in order of their last heartbeat, so that a heartbeat costs one move to the end; an agenda
has the queues by the deadlines of their heads.

After an interruption an online device gets a full deadline once: its grace. Until it is heard again, each further interruption
moves its deadline by its own length only, so none of them hides a dead device.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .agenda import Agenda
from .device import DeviceRecord, Queue


class Deadlines:
    """The online devices of one site, by when they are due. All times are monotonic, in seconds."""

    def __init__(self, offline_after: float) -> None:
        """`offline_after`: seconds of silence for a device without a deadline of its own."""
        self.offline_after = offline_after
        self._queues: dict[float, Queue] = {}
        self._heads = Agenda(self._head_due)

    def patience(self, record: DeviceRecord) -> float:
        """Return for how many seconds a device may be silent."""
        return record.offline_after or self.offline_after

    def due(self, record: DeviceRecord) -> float:
        """Return when an online device will be offline."""
        return record.heard + self.patience(record)

    def heard(self, record: DeviceRecord, now: float) -> None:
        """Let the deadline of an online device count from now."""
        record.heard = now
        record.graced = False
        self._enqueue(record)

    def remove(self, record: DeviceRecord) -> None:
        """Drop a device that is no longer waited for, if it was."""
        if record.queue is not None:
            del record.queue[record.key]
            record.queue = None

    def first(self) -> float | None:
        """Return the time before which nobody is overdue, None when nobody is online."""
        first = self._heads.first()
        return None if first is None else first[0]

    def take_overdue(self, now: float) -> DeviceRecord | None:
        """Drop one device that is overdue, and return it."""
        first = self._heads.first()
        if first is None or first[0] > now:
            return None
        record = next(iter(self._queues[first[1]].values()), None)
        if record is None or self.due(record) > now:
            return None
        self.remove(record)
        record.graced = False
        return record

    def interrupted(self, since: float, until: float, now: float) -> None:
        """Give everybody their grace, since nobody could be heard for a while; nothing to who was heard after it.

        Whoever has had its grace gets as much time as the interruption took, but never counts as heard after it. So each
        queue stays in order: these, those that were heard since, and those with a new grace, which counts from now.
        """
        length = until - since
        for queue in self._queues.values():
            for record in list(queue.values()):
                if record.heard >= until:
                    break  # and so were all behind it
                if record.graced:
                    record.heard = min(record.heard + length, until)
                else:
                    record.graced = record.heard <= since  # who is not monitored is heard all the same
                    record.heard = now
                    queue.move_to_end(record.key)

    def rebuild(self, records: Iterable[DeviceRecord]) -> None:
        """Sort all devices in anew: a deadline may have become shorter."""
        self._queues = {}
        self._heads.clear()
        for record in sorted(records, key=lambda record: record.heard):
            record.queue = None
            if record.online:
                self._enqueue(record)

    def _enqueue(self, record: DeviceRecord) -> None:
        """Put a device that was just heard at the end of its queue."""
        patience = self.patience(record)
        record.queue = queue = self._queues.setdefault(patience, OrderedDict())
        queue[record.key] = record
        queue.move_to_end(record.key)
        if len(queue) == 1:
            self._heads.add(patience)

    def _head_due(self, patience: float) -> float | None:
        """Return when the first of a queue is due."""
        head = next(iter(self._queues[patience].values()), None)
        return None if head is None else head.heard + patience
