"""Fleet: the devices of one site, and which of them are online.

In: messages from `protocol` with their time of arrival, `now` (monotonic, for deadlines) and `wall` (epoch seconds, for
people); `expire` and `resume` called by `site.watch`; actions of the user. Out: `Change`s. Owns the records;
`deadlines` orders the online ones by due time, `places` groups all by address.

A conflict, two devices with one serial, begins when a serial moves `CONFLICT_MOVES` times between the same two
addresses within `CONFLICT_WINDOW` deadlines. It ends when one of the two has been silent for that long; the other
remains.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
import math
from typing import Final

from .agenda import Agenda
from .deadlines import Deadlines
from .device import NO_INFO, Change, ChangeKind, Counts, DeviceRecord, Move
from .places import Places
from .protocol import Heartbeat, IgnoreReason, Report

CONFLICT_WINDOW: Final = 5  # in deadlines of the device
CONFLICT_MOVES: Final = 3
_MOVES_REMEMBERED: Final = 32  # enough to detect a conflict among up to fifteen addresses
DELETED_REMEMBERED: Final = 1000


class Fleet:
    """The state machine of one site's devices."""

    def __init__(self, *, offline_after: float, max_devices: int, accept_new: bool = True) -> None:
        """Start empty and paused, until `resume` is called."""
        self.max_devices = max_devices
        self.accept_new = accept_new
        self.records: dict[str, DeviceRecord] = {}
        self.deleted: dict[str, None] = {}  # keys that the user deleted, oldest first
        self.places = Places()
        self.deadlines = Deadlines(offline_after)
        self._paused_since: float | None = 0.0  # the first pause begins before any record is restored
        self._conflicts: dict[str, DeviceRecord] = {}
        self._conflict_ends = Agenda(self._conflict_end)

    # Messages

    def heartbeat(self, beat: Heartbeat, *, now: float, wall: float) -> Sequence[Change] | IgnoreReason:
        """Process a heartbeat; return what it changed, usually nothing, or why it was ignored."""
        record = self.records.get(beat.key)
        if record is None:
            return self._discover(beat, now, wall)
        if beat.retained:
            return IgnoreReason.RETAINED
        record.last_heartbeat = wall
        record.timestamp = beat.timestamp
        queue = record.queue
        if (
            queue is not None
            and beat.address == record.address
            and record.rivals is None
            and (beat.info is None or beat.info == record.info)
        ):
            # `deadlines.heard`, inlined: nearly all heartbeats end here
            record.heard = now
            record.graced = False
            queue.move_to_end(beat.key)
            return ()
        return self._update(record, beat, now)

    def report(self, report: Report, *, wall: float) -> DeviceRecord | IgnoreReason:
        """Process an input or output; return the record of its device, or why it was ignored."""
        record = self.records.get(report.key)
        if record is None:
            return IgnoreReason.UNKNOWN_SERIAL
        if not report.retained:
            record.last_report = wall
        return record

    # Time

    @property
    def paused(self) -> bool:
        """Whether all deadlines are suspended."""
        return self._paused_since is not None

    def next_deadline(self) -> float | None:
        """Return the earliest monotonic time at which `expire` may have something to do, None when there is none."""
        if self.paused:
            return None
        conflict = self._conflict_ends.first()
        firsts = (self.deadlines.first(), None if conflict is None else conflict[0])
        return min((first for first in firsts if first is not None), default=None)

    def expire(self, now: float) -> Sequence[Change]:
        """Apply one overdue deadline; return what that changed, nothing when none is due.

        Only one, so that the caller can yield to the event loop in between.
        """
        if self.paused:
            return ()
        if record := self.deadlines.take_overdue(now):
            record.online = False
            return (Change(record, ChangeKind.OFFLINE), *self.places.hand_over(record))
        if (over := self._conflict_ends.first()) and over[0] <= now:
            end = self._conflict_end(over[1])
            if end is not None and end <= now:
                return self._end_conflict(self._conflicts[over[1]])
        return ()

    def pause(self, since: float) -> None:
        """Suspend all deadlines: the site can't be heard or is not monitored."""
        if not self.paused:
            self._paused_since = since

    def resume(self, now: float) -> None:
        """Resume all deadlines; the pause counts as an interruption."""
        if self._paused_since is not None:
            since, self._paused_since = self._paused_since, None
            self.interrupted(since, now, now)
            for record in self.records.values():
                if record.arrived == math.inf:
                    record.arrived = now

    def interrupted(self, since: float, until: float, now: float) -> None:
        """Extend deadlines for a time in which nobody could be heard, and give grace (see `deadlines`)."""
        self.deadlines.interrupted(since, until, now)
        for record in self._conflicts.values():
            rivals = record.rivals or {}
            record.rivals = {address: min(heard + until - since, now) for address, heard in rivals.items()}

    def silence(self, record: DeviceRecord, now: float) -> float:
        """Return for how many seconds a device has been silent, not counting pauses, or since its grace."""
        paused_since = self._paused_since  # read once: the oldest Home Assistant saves from a thread
        return max(0.0, (now if paused_since is None else paused_since) - record.heard)

    # Decisions of the user

    def restore(self, records: Iterable[DeviceRecord], deleted: Iterable[str], owners: Container[str] = ()) -> None:
        """Add the records of the last run; `owners` are the keys of those that own an address they share.

        Those that were online get their grace at the next `resume`, unless they have had it.
        """
        self.deleted = dict.fromkeys(deleted)

        # the owner of a shared address goes last; earlier versions did not store owners: then the last one heard
        def rank(record: DeviceRecord) -> tuple[bool, bool, float]:
            return record.online is True, record.key in owners, record.last_heartbeat or 0.0

        for record in sorted(records, key=rank):
            self.records[record.key] = record
            self.places.restore(record)
            if record.rivals:
                self._conflicts[record.key] = record
        self._deadlines_changed()

    def set_site_offline_after(self, seconds: float) -> None:
        """Change the deadline of all devices without their own, counted from their last heartbeat."""
        self.deadlines.offline_after = seconds
        self._deadlines_changed()

    def set_offline_after(self, keys: Iterable[str], seconds: float | None) -> None:
        """Set the devices' own deadline, or (None) the site's, counted from their last heartbeat."""
        for key in keys:
            self.records[key].offline_after = seconds
        self._deadlines_changed()

    def mute(self, record: DeviceRecord, muted: bool) -> Sequence[Change]:
        """Exclude a device from counts, events and repairs, or include it again."""
        if record.muted is muted:
            return ()
        record.muted = muted
        return (Change(record, ChangeKind.MUTED),)

    def remove(self, key: str) -> Sequence[Change]:
        """Delete a device; from then on only a live heartbeat brings it back, not a retained one."""
        record = self.records[key]
        self._drop(record)
        self._remember_deleted(key)
        return (Change(record, ChangeKind.REMOVED), *self.places.leave(record))

    def replace(self, old: DeviceRecord, new: DeviceRecord) -> Sequence[Change]:
        """Continue an old device with new hardware.

        The old record takes the new serial and keeps its own deadline and data points; the new record is removed. The
        old serial counts as deleted, since the broker may have retained its heartbeat.
        """
        former_key = old.key
        self._remember_deleted(former_key)
        others = [*self.places.leave(old), *self.places.leave(new)]
        self._drop(old)
        self._drop(new)
        old.continue_as(new)
        self.records[old.key] = old
        others += self.places.arrive(old)
        self._deadlines_changed()
        renamed = [change for change in others if change.record not in (old, new)]
        return (Change(new, ChangeKind.REMOVED), Change(old, ChangeKind.REPLACED, former_key), *renamed)

    # Queries

    def counts(self) -> Counts:
        """Count all devices except muted ones."""
        states = [record.online for record in self.records.values() if not record.muted]
        return Counts(len(states), states.count(True), states.count(False))

    def last_heartbeat(self) -> float | None:
        """Return the wall clock of the last live heartbeat of any device."""
        return max((record.last_heartbeat for record in self.records.values() if record.last_heartbeat), default=None)

    def conflicts(self) -> list[DeviceRecord]:
        """Return the devices in a conflict."""
        return list(self._conflicts.values())

    def replacements(self, now: float) -> list[tuple[DeviceRecord, DeviceRecord]]:
        """Return pairs of an offline device and a newer one that has been at its address for two deadlines."""
        pairs = []
        for *others, owner in self.places.shared():
            settled = now - owner.arrived >= 2 * self.deadlines.timeout(owner)
            if owner.online and not owner.muted and settled:
                gone = [old for old in others if old.online is False and not old.muted and old.created < owner.created]
                pairs += [(old, owner) for old in gone[-1:]]
        return pairs

    def name(self, record: DeviceRecord) -> str:
        """Return the name for a device's page: the one it reports, else its address.

        At an address that another device owns, the serial is appended.
        """
        return record.info.name or (record.label if self.places.owns(record) else str(record))

    # Internals

    def _discover(self, beat: Heartbeat, now: float, wall: float) -> Sequence[Change] | IgnoreReason:
        if not self.accept_new:
            return IgnoreReason.NEW_DEVICE
        if beat.retained and beat.key in self.deleted:
            return IgnoreReason.DELETED
        # retained heartbeats of devices long gone must leave room for live ones
        if beat.retained and 2 * len(self.records) >= self.max_devices:
            return IgnoreReason.RETAINED
        if len(self.records) >= self.max_devices:
            return IgnoreReason.FULL
        record = DeviceRecord(key=beat.key, address=beat.address, created=wall, info=beat.info or NO_INFO)
        self.records[beat.key] = record
        if not beat.retained:
            record.online = True
            record.last_heartbeat = wall
            record.timestamp = beat.timestamp
            record.arrived = now
            self.deadlines.heard(record, now)
            self.deleted.pop(beat.key, None)
        return (Change(record, ChangeKind.DISCOVERED), *self.places.arrive(record))

    def _update(self, record: DeviceRecord, beat: Heartbeat, now: float) -> Sequence[Change]:
        changes: list[Change] = []
        if not record.online:
            kind = ChangeKind.FIRST_ONLINE if record.online is None else ChangeKind.ONLINE
            record.online = True
            record.arrived = now
            changes.append(Change(record, kind))
            if beat.address == record.address:
                changes += self.places.arrive(record)
        if record.rivals is not None:
            if beat.address in record.rivals:
                record.rivals[beat.address] = now
        elif beat.address != record.address:
            changes += self._move(record, beat.address, now)
        self.deadlines.heard(record, now)
        if beat.info and record.describe(beat.info):
            changes.append(Change(record, ChangeKind.DESCRIBED))
        return changes

    def _move(self, record: DeviceRecord, address: str, now: float) -> Sequence[Change]:
        """Move a device to another address, or begin a conflict if it alternates between the two."""
        record.moves = (*record.moves, Move(now, record.address, address))[-_MOVES_REMEMBERED:]
        since = now - CONFLICT_WINDOW * self.deadlines.timeout(record)
        both = {record.address, address}
        between = [move for move in record.moves if move.at >= since and {move.origin, move.target} == both]
        if len(between) < CONFLICT_MOVES:
            record.arrived = now
            return (Change(record, ChangeKind.MOVED), *self._relocate(record, address))
        record.rivals = {record.address: record.heard, address: now}
        self._conflicts[record.key] = record
        self._conflict_ends.add(record.key)
        conflict = Change(record, ChangeKind.CONFLICT)
        first = between[0].origin
        if record.address == first:
            return (conflict,)
        return (conflict, Change(record, ChangeKind.DESCRIBED), *self._relocate(record, first))

    def _conflict_end(self, key: str) -> float | None:
        """Return when a device's conflict ends unless both addresses are heard again."""
        record = self._conflicts.get(key)
        if record is None or record.rivals is None:
            return None
        return min(record.rivals.values()) + CONFLICT_WINDOW * self.deadlines.timeout(record)

    def _end_conflict(self, record: DeviceRecord) -> Sequence[Change]:
        rivals = record.rivals or {}
        survivor = max(rivals, key=lambda address: (rivals[address], address == record.address))
        record.rivals = None
        record.moves = ()
        del self._conflicts[record.key]
        ended = Change(record, ChangeKind.CONFLICT_ENDED)
        if survivor == record.address:
            return (ended,)
        return (ended, Change(record, ChangeKind.MOVED), *self._relocate(record, survivor))

    def _relocate(self, record: DeviceRecord, address: str) -> Sequence[Change]:
        left = self.places.leave(record)
        record.address = address
        return (*left, *self.places.arrive(record))

    def _drop(self, record: DeviceRecord) -> None:
        del self.records[record.key]
        self._conflicts.pop(record.key, None)
        self.deadlines.remove(record)

    def _remember_deleted(self, key: str) -> None:
        self.deleted.pop(key, None)
        self.deleted[key] = None
        while len(self.deleted) > DELETED_REMEMBERED:
            del self.deleted[next(iter(self.deleted))]

    def _deadlines_changed(self) -> None:
        """Rebuild the orders by deadline: one may have become shorter."""
        self.deadlines.rebuild(self.records.values())
        self._conflict_ends.clear()
        for key in self._conflicts:
            self._conflict_ends.add(key)
