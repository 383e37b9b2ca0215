"""Deadlines: when each online device becomes offline unless it is heard before.

In, from `fleet`: devices heard, and interruptions, in which nobody could be heard. Out: devices that are overdue.

A device is due `offline_after` seconds after its last heartbeat: its own value, or the site's. Online devices with the
same `offline_after` share a queue, ordered by last heartbeat, so a heartbeat costs one move to the end. An agenda
orders the queues by the due time of their heads.

Grace: after an interruption (a pause of the fleet, a blocked event loop, a connection that proved blind) an online
device gets a full deadline, once. Until it is heard again, further interruptions extend its deadline only by their own
length; otherwise repeated ones would hide a dead device.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from .agenda import Agenda
from .device import DeviceRecord, Queue


class Deadlines:
    """The online devices of one site by due time. All times are monotonic, in seconds."""

    def __init__(self, offline_after: float) -> None:
        """Start empty; `offline_after` applies to devices without their own."""
        self.offline_after = offline_after
        self._queues: dict[float, Queue] = {}
        self._heads = Agenda(self._head_due)

    def timeout(self, record: DeviceRecord) -> float:
        """Return after how many seconds of silence a device is offline."""
        return record.offline_after or self.offline_after

    def due(self, record: DeviceRecord) -> float:
        """Return when an online device becomes offline."""
        return record.heard + self.timeout(record)

    def heard(self, record: DeviceRecord, now: float) -> None:
        """Restart the deadline of an online device."""
        record.heard = now
        record.graced = False
        self._enqueue(record)

    def remove(self, record: DeviceRecord) -> None:
        """Remove a device from its queue, if it is in one."""
        if record.queue is not None:
            del record.queue[record.key]
            record.queue = None

    def first(self) -> float | None:
        """Return a time before which nobody is overdue, None when nobody is online."""
        first = self._heads.first()
        return None if first is None else first[0]

    def take_overdue(self, now: float) -> DeviceRecord | None:
        """Remove one overdue device and return it."""
        first = self._heads.first()
        if first is None or first[0] > now:
            return None
        record = next(iter(self._queues[first[1]].values()), None)
        if record is None or record.heard + first[1] > now:
            return None
        self.remove(record)
        record.graced = False
        return record

    def interrupted(self, since: float, until: float, now: float) -> None:
        """Give devices that were not heard since an interruption their grace, counted from now.

        A device that has had it gets the length of the interruption instead, but never counts as heard after its end.
        This keeps each queue in order: devices extended, devices heard since, devices with a new grace.
        """
        length = until - since
        for queue in self._queues.values():
            for record in list(queue.values()):
                if record.heard >= until:
                    break  # so are all behind it
                if record.graced:
                    record.heard = min(record.heard + length, until)
                else:
                    record.graced = record.heard <= since  # it may have been heard during a pause of monitoring
                    record.heard = now
                    queue.move_to_end(record.key)

    def rebuild(self, records: Iterable[DeviceRecord]) -> None:
        """Rebuild all queues: `offline_after` of some devices has changed."""
        self._queues = {}
        self._heads.clear()
        for record in sorted(records, key=lambda record: record.heard):
            record.queue = None
            if record.online:
                self._enqueue(record)

    def _enqueue(self, record: DeviceRecord) -> None:
        """Move a device that was just heard to the end of its queue."""
        timeout = self.timeout(record)
        record.queue = queue = self._queues.setdefault(timeout, OrderedDict())
        queue[record.key] = record
        queue.move_to_end(record.key)
        if len(queue) == 1:
            self._heads.add(timeout)

    def _head_due(self, timeout: float) -> float | None:
        """Return when the head of a queue is due, None when the queue is empty."""
        head = next(iter(self._queues[timeout].values()), None)
        return None if head is None else head.heard + timeout
