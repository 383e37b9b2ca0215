"""Yard: a fleet as a test plays it, on clocks that the test moves."""

from __future__ import annotations

from collections.abc import Iterable

from custom_components.site_devices.core.device import Change, ChangeKind, DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Category, Channel, Heartbeat, IgnoreReason, Info, Report

type Step = str | int  # who is heard, and where, or for how many seconds nobody is
type Told = list[str]  # whose serial and what, such as "A offline"

NOON = 1_760_702_400.0


def told(changes: Iterable[Change]) -> Told:
    """Return changes as the tests write them."""
    return [f"{change.record.serial} {change.kind}" for change in changes]


def restarted(old: Fleet, now: float) -> Fleet:
    """Return a fleet that has restored what is stored of another one."""
    fleet = Fleet(offline_after=old.deadlines.offline_after, max_devices=old.max_devices, accept_new=old.accept_new)
    stored = [
        DeviceRecord(
            key=record.key,
            address=record.address,
            created=record.created,
            info=record.info,
            online=record.online,
            last_heartbeat=record.last_heartbeat,
            last_report=record.last_report,
            offline_after=record.offline_after,
            rivals=dict.fromkeys(record.rivals, 0.0) if record.rivals else None,
            graced=record.graced,
            heard=-old.silence(record, now) if record.graced else 0.0,
        )
        for record in old.records.values()
    ]
    fleet.restore(stored, list(old.deleted), old.places.owners())
    return fleet


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
        return changes if isinstance(changes, IgnoreReason) else told(changes)

    def play(self, *steps: Step) -> Told | IgnoreReason:
        """Let devices be heard, `A@1` at monstro/1, and seconds pass; return what the last step changed.

        A device that is called `A` only is heard at an address of its own.
        """
        changed: Told | IgnoreReason = []
        for step in steps:
            if isinstance(step, int):
                changed = self.wait(step)
            else:
                serial, _, number = step.partition("@")
                changed = self.hear(serial, f"monstro/{number or serial}")
        return changed

    def report(self, serial: str, *, retained: bool = False) -> DeviceRecord | IgnoreReason:
        """Let a device say something else."""
        report = Report(f"datalogger/{serial}", Channel.INPUT, retained, {})
        return self.fleet.report(report, wall=self.wall)

    def wait(self, seconds: float) -> Told:
        """Let time pass, as the site does: it looks at each deadline; return what silence changed."""
        end = self.now + seconds
        happened = []
        while (due := self.fleet.next_deadline()) is not None and due <= end:
            self.sleep(max(due - self.now, 0))
            happened += self.expire()
        self.sleep(end - self.now)
        return happened

    def wait_exactly(self, seconds: float) -> Told:
        """Let time pass in which nothing changes before its end; return what changes then."""
        early = self.wait(seconds - 1)
        assert not early, early
        return self.wait(1)

    def deaf(self, seconds: float) -> None:
        """Let time pass in which nothing can be heard."""
        self.fleet.pause(self.now)
        self.sleep(seconds)
        self.fleet.resume(self.now)

    def sleep(self, seconds: float) -> None:
        """Let time pass without looking at anything."""
        self.now += seconds
        self.wall += seconds

    def expire(self) -> Told:
        """Apply all that is overdue."""
        happened = []
        while changes := self.fleet.expire(self.now):
            happened += told(changes)
        return happened

    def remove(self, serial: str) -> Told:
        """Delete a device; return what that changed for others."""
        removed, *others = self.fleet.remove(f"datalogger/{serial}")
        assert (removed.record.serial, removed.kind) == (serial, ChangeKind.REMOVED)
        return told(others)

    def restarted(self, *, listening: bool = False) -> Yard:
        """Return the site after a restart of the machine, with what was stored; nothing can be heard at first."""
        return Yard(restarted(self.fleet, self.now), now=5.0, wall=self.wall, paused=not listening)

    def record(self, serial: str = "A", category: Category = Category.DATALOGGER) -> DeviceRecord:
        """Return what is known of a device."""
        return self.fleet.records[f"{category}/{serial}"]

    def name(self, serial: str = "A", category: Category = Category.DATALOGGER) -> str:
        """Return what a device's page is called."""
        return self.fleet.name(self.record(serial, category))

    def names(self) -> dict[str, str]:
        """Return what all pages are called, by serial."""
        return {record.serial: self.fleet.name(record) for record in self.fleet.records.values()}

    def online(self) -> str:
        """Return the serials of the online devices."""
        return "".join(sorted(record.serial for record in self.fleet.records.values() if record.online))

    def queue_lengths(self) -> list[int]:
        """Return how many devices wait in each queue."""
        return [len(queue) for queue in self.fleet.deadlines._queues.values()]
