"""Yard: a fleet as a test plays it, on clocks that the test moves."""

from __future__ import annotations

from dataclasses import replace
import math

from custom_components.site_devices.core.device import ChangeKind, DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Category, Channel, Heartbeat, IgnoreReason, Info, Report

type Told = list[tuple[str, ChangeKind]]  # whose serial, and what

NOON = 1_760_702_400.0


class Yard:
    """A site as a test plays it: devices that speak by serial, and a clock that the test moves."""

    def __init__(
        self, fleet: Fleet | None = None, *, now: float = 1000.0, wall: float = NOON, paused: bool = False
    ) -> None:
        self.fleet = fleet or Fleet(offline_after=30, max_devices=1000)
        self.now = now
        self.wall = wall
        if not paused:
            self.fleet.resume(now)

    def hear(
        self,
        serial: str = "A",
        address: str = "monstro/1",
        *,
        category: Category = Category.DATALOGGER,
        retained: bool = False,
        timestamp: str | None = None,
        **info: str,
    ) -> Told | IgnoreReason:
        """Let a device say that it lives; return what that changed."""
        said = Info(**info) if info else None
        beat = Heartbeat(f"{category}/{serial}", address, retained, timestamp, said, {})
        changes = self.fleet.heartbeat(beat, now=self.now, wall=self.wall)
        return (
            changes
            if isinstance(changes, IgnoreReason)
            else [(change.record.serial, change.kind) for change in changes]
        )

    def hear_all(self, *serials: str) -> None:
        """Let several devices say that they live, each at its own address."""
        for serial in serials:
            self.hear(serial, f"monstro/{serial}")

    def report(self, serial: str, *, retained: bool = False) -> DeviceRecord | IgnoreReason:
        """Let a device say something else."""
        report = Report(f"datalogger/{serial}", Channel.INPUT, retained, {})
        return self.fleet.report(report, wall=self.wall)

    def wait(self, seconds: float) -> Told:
        """Let time pass, as the site does: it looks at each deadline; return what silence changed."""
        end = self.now + seconds
        told = []
        while (due := self.fleet.next_deadline()) is not None and due <= end:
            self.sleep(max(due - self.now, 0))
            told += self.expire()
        self.sleep(end - self.now)
        return told

    def sleep(self, seconds: float) -> None:
        """Let time pass without looking at anything."""
        self.now += seconds
        self.wall += seconds

    def expire(self) -> Told:
        """Apply all that is overdue."""
        told = []
        while changes := self.fleet.expire(self.now):
            told += [(change.record.serial, change.kind) for change in changes]
        return told

    def remove(self, serial: str) -> Told:
        """Delete a device; return what that changed for others."""
        removed, *others = self.fleet.remove(f"datalogger/{serial}")
        assert (removed.record.serial, removed.kind) == (serial, ChangeKind.REMOVED)
        return [(change.record.serial, change.kind) for change in others]

    def restarted(self) -> Yard:
        """Return the site after a restart of the machine, with what was stored; nothing can be heard yet."""
        fleet = Fleet(offline_after=self.fleet.deadlines.offline_after, max_devices=self.fleet.max_devices)
        stored = [
            replace(
                record,
                heard=-self.fleet.silence(record, self.now) if record.graced else 0.0,
                arrived=math.inf,
                moves=(),
                rivals=dict.fromkeys(record.rivals, 0.0) if record.rivals else None,
            )
            for record in self.fleet.records.values()
        ]
        fleet.restore(stored, list(self.fleet.deleted), self.fleet.places.owners())
        return Yard(fleet, now=5.0, wall=self.wall, paused=True)

    def record(self, serial: str = "A", category: Category = Category.DATALOGGER) -> DeviceRecord:
        """Return what is known of a device."""
        return self.fleet.records[f"{category}/{serial}"]

    def name(self, serial: str = "A", category: Category = Category.DATALOGGER) -> str:
        """Return what a device's page is called."""
        return self.fleet.name(self.record(serial, category))

    def online(self) -> str:
        """Return the serials of the online devices."""
        return "".join(sorted(record.serial for record in self.fleet.records.values() if record.online))

    def queue_lengths(self) -> list[int]:
        """Return how many devices wait in each queue."""
        return [len(queue) for queue in self.fleet.deadlines._queues.values()]
