"""Device: what is known of one device, and what can change about it.

`DeviceRecord` is the one thing here that is mutable. `Fleet` and its rooms own it: `fleet` writes who it is and whether it is
online, `deadlines` when it was heard, `places` nothing. Two fields have their writers in `site/`: `data` and `told_offline`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
import math
from typing import Final, NamedTuple

from .protocol import Category, Info
from .readings import DataPoint

NO_INFO: Final = Info()

type Queue = OrderedDict[str, DeviceRecord]


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
    MUTED = "muted"  # or unmuted: the record says which
    REMOVED = "removed"
    REPLACED = "replaced"  # by other hardware, which goes on as this device; `key` is the former one
    DATA_FOUND = "data_found"  # `key` is the new data point's
    DATA_CHANGED = "data_changed"  # the unit of the data point `key`, or whether the user has removed its entity
    DATA_REFUSED = "data_refused"  # it sends data that finds no room, or no longer does


class Move(NamedTuple):
    """A device was heard at another address; `at` is monotonic."""

    at: float
    origin: str
    target: str


@dataclass(slots=True, kw_only=True, eq=False)
class DeviceRecord:
    """What is known of one device."""

    key: str  # `{category}/{serial}`
    address: str  # where it was heard last; in a conflict, where it was heard first
    created: float  # wall clock
    info: Info = NO_INFO
    online: bool | None = None  # None: never a live heartbeat
    last_heartbeat: float | None = None  # wall clock of the last live one
    last_report: float | None = None  # wall clock of the last live input or output
    timestamp: str | int | float | None = None  # the device's own clock in its last heartbeat
    offline_after: float | None = None  # seconds; None: the site's
    muted: bool = False  # disabled by the user: followed, but in no count, event or repair
    told_offline: bool = False  # the last event about it said `offline`; written by `site.digest`
    heard: float = 0.0  # monotonic: the deadline counts from here; before the first `resume`: minus its silence so far
    graced: bool = False  # it had its full deadline after an interruption, and has not been heard since
    queue: Queue | None = field(
        default=None, init=False, repr=False
    )  # where it waits for its deadline, while it is online
    # monotonic: when it was last discovered, moved or came online; after a restart, the first `resume`
    arrived: float = math.inf
    rivals: dict[str, float] | None = None  # in a conflict: its addresses, and when each was heard (monotonic)
    data: dict[str, DataPoint] = field(default_factory=dict)  # its data points by key; written by `site.data_entities`
    moves: tuple[Move, ...] = ()  # the last few, to notice a conflict

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

    def describe(self, said: Info) -> bool:
        """Keep what the device says of itself, and what it said before where it says nothing; return whether that is new."""
        merged = Info(*(new or old for new, old in zip(said, self.info, strict=True)))
        changed = merged != self.info
        self.info = merged
        return changed

    def continue_as(self, new: DeviceRecord) -> None:
        """Take on the serial and the present state of new hardware; keep the deadline, the data points and `created`."""
        self.key = new.key
        self.address = new.address
        self.online = new.online
        self.last_heartbeat = new.last_heartbeat
        self.last_report = new.last_report
        self.timestamp = new.timestamp
        self.heard = new.heard
        self.graced = new.graced
        self.arrived = new.arrived
        self.rivals = None
        self.moves = ()
        self.describe(new.info)


class Change(NamedTuple):
    """One device, and what became different about it."""

    record: DeviceRecord
    kind: ChangeKind
    key: str | None = None  # the former key of a replaced device, the key of a data point


class Counts(NamedTuple):
    """How many devices there are; those that were never online are neither online nor offline."""

    known: int
    online: int
    offline: int
