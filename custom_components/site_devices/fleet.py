"""Fleet: the devices of one site, who of them is online, and when that must be looked at again.

In: messages of `protocol`, with the two clocks of their arrival: `now` (monotonic seconds, for deadlines) and `wall`
(epoch seconds, for people). Out: `Change`s. Knows no timer, no clock and no Home Assistant.

A device is online until its deadline: its last heartbeat plus its own `offline_after`, or the site's. The online devices
of each distinct `offline_after` stand in one queue, in order of their last heartbeat, so that a heartbeat costs one move
to the end, and an agenda has the queues by the deadlines of their heads.

After an interruption, in which nobody could be heard, an online device gets a full deadline once: its grace. Until it is
heard again, each further interruption moves its deadline by its own length only, so none of them hides a dead device.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
import math
from typing import Final, NamedTuple

from .agenda import Agenda
from .protocol import Category, Heartbeat, IgnoreReason, Info, Report
from .readings import DataPoint

CONFLICT_WINDOW: Final = 5  # deadlines in which a serial's moves count as alternating, and after which silence ends it
CONFLICT_MOVES: Final = 3
_MOVES_REMEMBERED: Final = 32  # a serial alive at as many as fifteen addresses passes between two of them three times
DELETED_REMEMBERED: Final = 1000
_NO_INFO: Final = Info()


class ChangeKind(StrEnum):
    """What became different about a device."""

    DISCOVERED = "discovered"
    FIRST_ONLINE = "first_online"  # known from a retained heartbeat only, until now
    ONLINE = "online"  # after it was offline
    OFFLINE = "offline"
    MOVED = "moved"
    DESCRIBED = "described"  # what its page says: name or info
    CONFLICT = "conflict"  # alive at two addresses at once
    CONFLICT_ENDED = "conflict_ended"
    REPLACED = "replaced"  # by other hardware, which goes on as this device


class _Move(NamedTuple):
    at: float
    origin: str
    target: str


@dataclass(slots=True, kw_only=True, eq=False)
class DeviceRecord:
    """What is known of one device. Only `Fleet` writes it, but for `muted`, `told_offline` and `data`."""

    key: str  # `{category}/{serial}`
    address: str  # where it was heard last; in a conflict, where it was heard first
    created: float  # wall clock
    info: Info = _NO_INFO
    online: bool | None = None  # None: never a live heartbeat
    last_heartbeat: float | None = None  # wall clock of the last live one
    last_report: float | None = None  # wall clock of the last live input or output
    timestamp: str | int | float | None = None  # the device's own clock in its last heartbeat
    offline_after: float | None = None  # seconds; None: the site's
    muted: bool = False  # disabled by the user, as `registry` writes: followed, but in no count, event or repair
    told_offline: bool = False  # the last event about it said `offline`; `events` writes it
    heard: float = 0.0  # monotonic: the deadline counts from here; before the first `resume`: minus its silence so far
    graced: bool = False  # it had its full deadline after an interruption, and has not been heard since
    arrived: float = (
        math.inf
    )  # monotonic: when it was last discovered, moved or came online; after a restart, the first `resume`
    rivals: dict[str, float] | None = None  # in a conflict: its addresses, and when each was heard (monotonic)
    data: dict[str, DataPoint] = field(default_factory=dict)  # its data points by key; `data` writes them
    moves: tuple[_Move, ...] = ()  # the last few, to notice a conflict

    @property
    def category(self) -> Category:
        """The kind of device."""
        return Category(self.key.partition("/")[0])

    @property
    def serial(self) -> str:
        """The serial number."""
        return self.key.partition("/")[2]

    @property
    def place(self) -> str:
        """The address, distinct from the same one of another category."""
        return f"{self.category}/{self.address}"

    @property
    def last_communication(self) -> float | None:
        """Wall clock of the last live message of any channel."""
        return max(filter(None, (self.last_heartbeat, self.last_report)), default=None)

    @property
    def untold(self) -> ChangeKind | None:
        """What must be told for the last thing told to be true: `ONLINE`, `OFFLINE`, or None when it is."""
        if self.online is not self.told_offline or self.muted:
            return None
        return ChangeKind.ONLINE if self.online else ChangeKind.OFFLINE

    @property
    def label(self) -> str:
        """What it is called by its address: `monstro/1`, `Gateway 1`."""
        return f"Gateway {self.address}" if self.category is Category.GATEWAY else self.address

    def __str__(self) -> str:
        """Name the device beyond doubt, for the log: `monstro/1 (TEST123)`."""
        return f"{self.label} ({self.serial})"


class Change(NamedTuple):
    """One device, and what became different about it."""

    record: DeviceRecord
    kind: ChangeKind


class Counts(NamedTuple):
    """How many devices there are; those that were never online are neither online nor offline."""

    known: int
    online: int
    offline: int


type _Queue = OrderedDict[str, DeviceRecord]


class Fleet:
    """The state machine of one site's devices."""

    def __init__(self, *, offline_after: float, max_devices: int, accept_new: bool = True) -> None:
        """Start empty and paused: call `resume` once the site can be heard."""
        self.offline_after = offline_after
        self.max_devices = max_devices
        self.accept_new = accept_new
        self.records: dict[str, DeviceRecord] = {}
        self.deleted: dict[str, None] = {}  # keys that the user deleted, oldest first
        self._paused_since: float | None = 0.0  # the first pause begins before any record is restored
        self._queues: dict[float, _Queue] = {}
        self._queue_ends = Agenda(self._queue_end)
        self._conflict_ends = Agenda(self._conflict_end)
        self._places: dict[str, OrderedDict[str, None]] = {}  # who is at an address, its owner last
        self._conflicts: dict[str, DeviceRecord] = {}

    # What the wire says

    def heartbeat(self, beat: Heartbeat, *, now: float, wall: float) -> Sequence[Change] | IgnoreReason:
        """Take a heartbeat in; return what it changed, mostly nothing, or why it was ignored."""
        record = self.records.get(beat.key)
        if record is None:
            return self._discover(beat, now, wall)
        if beat.retained:
            return IgnoreReason.RETAINED
        record.last_heartbeat = wall
        record.timestamp = beat.timestamp
        if (
            record.online
            and beat.address == record.address
            and record.rivals is None
            and (beat.info is None or beat.info == record.info)
        ):
            record.heard = now
            record.graced = False
            self._queues[record.offline_after or self.offline_after].move_to_end(beat.key)
            return ()
        return self._update(record, beat, now)

    def report(self, report: Report, *, wall: float) -> DeviceRecord | IgnoreReason:
        """Take an input or output in; return whose it is, or why it was ignored."""
        record = self.records.get(report.key)
        if record is None:
            return IgnoreReason.UNKNOWN_SERIAL
        if not report.retained:
            record.last_report = wall
        return record

    # What time says

    @property
    def paused(self) -> bool:
        """Tell whether all deadlines stand still."""
        return self._paused_since is not None

    def next_deadline(self) -> float | None:
        """Return the monotonic time before which `expire` has nothing to do, if nothing is heard until then."""
        if self.paused:
            return None
        firsts = (self._queue_ends.first(), self._conflict_ends.first())
        return min((first[0] for first in firsts if first), default=None)

    def expire(self, now: float) -> Sequence[Change]:
        """Apply one overdue deadline; return what that changed, nothing when none is due.

        One at a time, so that the caller can let the event loop breathe between any two of a thousand.
        """
        if self.paused:
            return ()
        if (first := self._queue_ends.first()) and first[0] <= now:
            queue = self._queues[first[1]]
            record = next(iter(queue.values()), None)
            if record and self.deadline(record) <= now:
                del queue[record.key]
                record.online = False
                record.graced = False
                return (Change(record, ChangeKind.OFFLINE), *self._hand_over(record))
        if (over := self._conflict_ends.first()) and over[0] <= now:
            end = self._conflict_end(over[1])
            if end is not None and end <= now:
                return self._end_conflict(self._conflicts[over[1]])
        return ()

    def pause(self, since: float) -> None:
        """Let all deadlines stand still: the site can't be heard."""
        if not self.paused:
            self._paused_since = since

    def resume(self, now: float) -> None:
        """Let deadlines go on: the site can be heard again."""
        if self._paused_since is not None:
            since, self._paused_since = self._paused_since, None
            self.interrupted(since, now, now)
            for record in self.records.values():
                if record.arrived == math.inf:
                    record.arrived = now

    def interrupted(self, since: float, until: float, now: float) -> None:
        """Give every online device its grace, since nobody could be heard for a while; nothing to who was heard after it.

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
        for record in self._conflicts.values():
            record.rivals = {address: min(heard + length, now) for address, heard in (record.rivals or {}).items()}

    def silence(self, record: DeviceRecord, now: float) -> float:
        """Return for how many seconds a device has been silent while it could have been heard, or since its grace."""
        paused_since = self._paused_since  # read once: the oldest Home Assistant asks from a thread
        return max(0.0, (now if paused_since is None else paused_since) - record.heard)

    # What the user says

    def restore(self, records: Iterable[DeviceRecord], deleted: Iterable[str], owners: Container[str] = ()) -> None:
        """Take the records of an earlier run in, with the keys of those to which the address belongs that they share.

        Those that were online get their grace at the next `resume`, unless they have had it.
        """
        self.deleted = dict.fromkeys(deleted)

        # whom the address of several belongs to comes last; an earlier version did not say, then it is the last heard
        def rank(record: DeviceRecord) -> tuple[bool, bool, float]:
            return record.online is True, record.key in owners, record.last_heartbeat or 0.0

        for record in sorted(records, key=rank):
            self.records[record.key] = record
            self._places.setdefault(record.place, OrderedDict())[record.key] = None
            if record.rivals:
                self._conflicts[record.key] = record
        self._rebuild_queues()

    def set_site_offline_after(self, seconds: float) -> None:
        """Change the deadline of all devices that have none of their own, counted from their last heartbeat."""
        self.offline_after = seconds
        self._rebuild_queues()

    def set_offline_after(self, keys: Iterable[str], seconds: float | None) -> None:
        """Give devices a deadline of their own, or (None) the site's again, counted from their last heartbeat."""
        for key in keys:
            self.records[key].offline_after = seconds
        self._rebuild_queues()

    def remove(self, key: str) -> Sequence[Change]:
        """Delete a device and remember that: only a live heartbeat brings it back. Return what that changed for others."""
        record = self.records.pop(key)
        self._conflicts.pop(key, None)
        if record.online:
            del self._queues[record.offline_after or self.offline_after][key]
        self._remember_deleted(key)
        return self._leave(record)

    def replace(self, old: DeviceRecord, new: DeviceRecord) -> Sequence[Change]:
        """Let new hardware go on as the device that it replaces; return what that changed.

        The old record lives on under the new serial, with its own deadline and data points; the new one is gone. So is
        the old serial, which the broker may have retained.
        """
        self._remember_deleted(old.key)
        others = [*self._leave(old), *self._leave(new)]
        for key in (old.key, new.key):
            del self.records[key]
            self._conflicts.pop(key, None)
        for name in (
            "key",
            "address",
            "online",
            "last_heartbeat",
            "last_report",
            "timestamp",
            "heard",
            "graced",
            "arrived",
        ):
            setattr(old, name, getattr(new, name))
        old.info = Info(*(said or before for said, before in zip(new.info, old.info, strict=True)))
        old.rivals = None
        old.moves = ()
        self.records[old.key] = old
        others += self._arrive(old)
        self._rebuild_queues()
        renamed = [change for change in others if change.record not in (old, new)]
        return (Change(old, ChangeKind.REPLACED), *renamed)

    # What others ask

    def counts(self) -> Counts:
        """Count the devices that are not muted."""
        states = [record.online for record in self.records.values() if not record.muted]
        return Counts(len(states), states.count(True), states.count(False))

    def last_heartbeat(self) -> float | None:
        """Return the wall clock of the last live heartbeat of any device."""
        return max((record.last_heartbeat for record in self.records.values() if record.last_heartbeat), default=None)

    def conflicts(self) -> list[DeviceRecord]:
        """Return the devices whose serial is alive at two addresses."""
        return list(self._conflicts.values())

    def owners(self) -> list[str]:
        """Return the keys of the devices to which an address belongs that they share with others."""
        # the oldest Home Assistant asks from a thread, while the loop goes on
        return [keys[-1] for keys in map(list, list(self._places.values())) if len(keys) > 1]

    def replacements(self, now: float) -> list[tuple[DeviceRecord, DeviceRecord]]:
        """Return pairs of an offline device and a younger one that has been at its address for two deadlines."""
        pairs = []
        for keys in self._places.values():
            if len(keys) == 1:
                continue
            *others, owner = (self.records[key] for key in keys)
            if (
                owner.online
                and not owner.muted
                and now - owner.arrived >= 2 * (owner.offline_after or self.offline_after)
            ):
                gone = [old for old in others if old.online is False and not old.muted and old.created < owner.created]
                pairs += [(old, owner) for old in gone[-1:]]
        return pairs

    def deadline(self, record: DeviceRecord) -> float:
        """Return the monotonic time at which an online device will be offline, if it is not heard until then."""
        return record.heard + (record.offline_after or self.offline_after)

    def name(self, record: DeviceRecord) -> str:
        """Return what the device's page is called: the name it gave itself, else its address.

        An address belongs to the device that came there last, of those alive there if any is; the others there have
        their serial behind the address.
        """
        if record.info.name:
            return record.info.name
        owner = next(reversed(self._places.get(record.place, ())), record.key)
        return record.label if owner == record.key else str(record)

    # Inside

    def _discover(self, beat: Heartbeat, now: float, wall: float) -> Sequence[Change] | IgnoreReason:
        if not self.accept_new:
            return IgnoreReason.NEW_DEVICE
        if beat.retained and beat.key in self.deleted:
            return IgnoreReason.DELETED
        # the broker may keep heartbeats of devices long gone: they must leave room for those that live
        if beat.retained and 2 * len(self.records) >= self.max_devices:
            return IgnoreReason.RETAINED
        if len(self.records) >= self.max_devices:
            return IgnoreReason.FULL
        record = DeviceRecord(key=beat.key, address=beat.address, created=wall, info=beat.info or _NO_INFO)
        self.records[beat.key] = record
        if not beat.retained:
            record.online = True
            record.last_heartbeat = wall
            record.timestamp = beat.timestamp
            record.heard = record.arrived = now
            self._enqueue(record)
            self.deleted.pop(beat.key, None)
        return (Change(record, ChangeKind.DISCOVERED), *self._arrive(record))

    def _update(self, record: DeviceRecord, beat: Heartbeat, now: float) -> Sequence[Change]:
        changes: list[Change] = []
        if not record.online:
            kind = ChangeKind.FIRST_ONLINE if record.online is None else ChangeKind.ONLINE
            record.online = True
            record.arrived = now
            changes.append(Change(record, kind))
            if beat.address == record.address:
                changes += self._arrive(record)
        if record.rivals is not None:
            if beat.address in record.rivals:
                record.rivals[beat.address] = now
        elif beat.address != record.address:
            changes += self._move(record, beat.address, now)
        record.heard = now
        record.graced = False
        self._enqueue(record)
        if beat.info:
            said = Info(*(new or old for new, old in zip(beat.info, record.info, strict=True)))
            if said != record.info:
                record.info = said
                changes.append(Change(record, ChangeKind.DESCRIBED))
        return changes

    def _move(self, record: DeviceRecord, address: str, now: float) -> Sequence[Change]:
        """Follow a device to another address, unless it alternates between the two."""
        record.moves = (*record.moves, _Move(now, record.address, address))[-_MOVES_REMEMBERED:]
        since = now - CONFLICT_WINDOW * (record.offline_after or self.offline_after)
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

    def _queue_end(self, offline_after: float) -> float | None:
        """Return when the first of a queue is due."""
        first = next(iter(self._queues[offline_after].values()), None)
        return None if first is None else first.heard + offline_after

    def _conflict_end(self, key: str) -> float | None:
        """Return when one of a device's two addresses will have been silent for long enough."""
        record = self._conflicts.get(key)
        if record is None or record.rivals is None:
            return None
        return min(record.rivals.values()) + CONFLICT_WINDOW * (record.offline_after or self.offline_after)

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
        left = self._leave(record)
        record.address = address
        return (*left, *self._arrive(record))

    def _arrive(self, record: DeviceRecord) -> Sequence[Change]:
        """Put a device at its address, which becomes its own if it is alive; return whose name that changes."""
        here = self._places.setdefault(record.place, OrderedDict())
        owner = next(reversed(here), None)
        was_here = record.key in here
        here[record.key] = None
        here.move_to_end(record.key, last=record.online is True)
        if owner is None or owner == record.key or not record.online:
            return ()
        renamed = (owner, record.key) if was_here else (owner,)
        return [Change(self.records[key], ChangeKind.DESCRIBED) for key in renamed]

    def _leave(self, record: DeviceRecord) -> Sequence[Change]:
        """Free a device's address; return whose name that changes."""
        here = self._places[record.place]
        owned = next(reversed(here)) == record.key
        del here[record.key]
        if not here:
            del self._places[record.place]
        if not here or not owned:
            return ()
        heir = self._heir(here)
        here.move_to_end(heir.key)
        return (Change(heir, ChangeKind.DESCRIBED),)

    def _hand_over(self, record: DeviceRecord) -> Sequence[Change]:
        """Give the address of a device that fell silent to one that is alive there; return whose name that changes."""
        heir = self._heir(self._places[record.place])
        return self._arrive(heir) if heir.online else ()

    def _heir(self, here: OrderedDict[str, None]) -> DeviceRecord:
        """Return who of those at an address was the last to come: of those alive, if there are any."""
        last = next(reversed(here))
        return self.records[next((key for key in reversed(here) if self.records[key].online), last)]

    def _remember_deleted(self, key: str) -> None:
        self.deleted.pop(key, None)
        self.deleted[key] = None
        while len(self.deleted) > DELETED_REMEMBERED:
            del self.deleted[next(iter(self.deleted))]

    def _enqueue(self, record: DeviceRecord) -> None:
        """Put a device that was just heard at the end of its queue."""
        offline_after = record.offline_after or self.offline_after
        queue = self._queues.setdefault(offline_after, OrderedDict())
        queue[record.key] = record
        queue.move_to_end(record.key)
        if len(queue) == 1:
            self._queue_ends.add(offline_after)

    def _rebuild_queues(self) -> None:
        """Sort everybody in anew: a deadline may have become shorter."""
        self._queues = {}
        self._queue_ends.clear()
        for record in sorted(self.records.values(), key=lambda record: record.heard):
            if record.online:
                self._enqueue(record)
        self._conflict_ends.clear()
        for key in self._conflicts:
            self._conflict_ends.add(key)
