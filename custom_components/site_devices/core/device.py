"""Device: the record of one device, and the kinds of `Change` to it.

Every module reads records, and each field has one writer: `deadlines` writes `heard`, `graced` and `queue` (and `fleet`
on its hot path and on a replacement), `site.data_entities` writes `data`, `site.digest` writes `told_offline`, and
`fleet` writes the rest. `site.storage` creates the records it restores. Changes leave `fleet` and `site.data_entities`
for every reader.
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
    """What changed about a device."""

    DISCOVERED = "discovered"
    FIRST_ONLINE = "first_online"  # its first live heartbeat; so far only a retained one was known
    ONLINE = "online"  # after it was offline
    OFFLINE = "offline"
    MOVED = "moved"
    DESCRIBED = "described"  # its page's text: name or info
    CONFLICT = "conflict"  # its serial alternates between two addresses
    CONFLICT_ENDED = "conflict_ended"
    MUTED = "muted"  # or unmuted, see the record
    REMOVED = "removed"
    REPLACED = "replaced"  # by new hardware, under whose key it continues; `key` is its former key
    DATA_FOUND = "data_found"  # `key` names the new data point
    DATA_CHANGED = "data_changed"  # unit of data point `key`, or the user removed its entity
    DATA_REFUSED = "data_refused"  # it began or ceased to send data for which there is no room


class Move(NamedTuple):
    """A device was heard at another address; `at` is monotonic."""

    at: float
    origin: str
    target: str


@dataclass(slots=True, kw_only=True, eq=False)
class DeviceRecord:
    """All we know about one device."""

    key: str  # `{category}/{serial}`
    address: str  # the last one heard; in a conflict, the first of the two
    created: float  # wall clock
    info: Info = NO_INFO
    online: bool | None = None  # None: no live heartbeat yet
    last_heartbeat: float | None = None  # wall clock of the last live one
    last_report: float | None = None  # wall clock of the last live input or output
    timestamp: str | int | float | None = None  # of the last heartbeat, by the device's clock
    offline_after: float | None = None  # seconds; None: the site's
    muted: bool = False  # disabled by the user: tracked, but in no count, event or repair
    told_offline: bool = False  # the last event sent about it was `offline`
    heard: float = 0.0  # monotonic start of its deadline; before the first `resume`, minus its silence so far
    graced: bool = False  # has had its grace (see `deadlines`) and has been silent since
    queue: Queue | None = field(default=None, init=False, repr=False)  # of `deadlines`, while online
    arrived: float = math.inf  # monotonic: last discovered, moved or came online; after a restart, the first `resume`
    rivals: dict[str, float] | None = None  # in a conflict: when each of its addresses was last heard (monotonic)
    data: dict[str, DataPoint] = field(default_factory=dict)  # by key
    moves: tuple[Move, ...] = ()  # recent ones, to detect a conflict

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
        """The address, qualified by category."""
        return f"{self.key.partition('/')[0]}/{self.address}"

    @property
    def last_communication(self) -> float | None:
        """Wall clock of the last live message on any channel."""
        return max(filter(None, (self.last_heartbeat, self.last_report)), default=None)

    @property
    def pending_event(self) -> ChangeKind | None:
        """The event to send, `ONLINE` or `OFFLINE`, when the last one sent is outdated; otherwise None."""
        if self.online is not self.told_offline or self.muted:
            return None
        return ChangeKind.ONLINE if self.online else ChangeKind.OFFLINE

    @property
    def label(self) -> str:
        """A name made from the address: `monstro/1`, `Gateway 1`."""
        return f"Gateway {self.address}" if self.category is Category.GATEWAY else self.address

    def __str__(self) -> str:
        """Return an unambiguous name: `monstro/1 (TEST123)`."""
        return f"{self.label} ({self.serial})"

    def describe(self, info: Info) -> bool:
        """Update the info, keeping texts that the device now omits; return whether it changed."""
        merged = Info(*(new or old for new, old in zip(info, self.info, strict=True)))
        changed = merged != self.info
        self.info = merged
        return changed

    def continue_as(self, new: DeviceRecord) -> None:
        """Take over the serial and state of new hardware; keep `offline_after`, data points and `created`."""
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
    """One device, and what changed about it."""

    record: DeviceRecord
    kind: ChangeKind
    key: str | None = None  # former key of a replaced device, or key of a data point


class Counts(NamedTuple):
    """Numbers of devices; one that was never online counts as neither online nor offline."""

    known: int
    online: int
    offline: int
