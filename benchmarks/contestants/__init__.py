"""Contestants: this integration and the alternatives."""

from __future__ import annotations

from typing import Final

from .base import Contestant
from .core import CoreData, CoreExpireAfter, CoreOffDelay
from .floor import FloorA, FloorB
from .naive import Poll, TimerADevice
from .ours import Ours, OursWithData

CONTESTANTS: Final[dict[str, type[Contestant]]] = {
    "floor_a": FloorA,
    "floor_b": FloorB,
    "core_expire_after": CoreExpireAfter,
    "core_off_delay": CoreOffDelay,
    "core_data": CoreData,
    "timer": TimerADevice,
    "poll": Poll,
    "ours": Ours,
    "ours_data": OursWithData,
}
