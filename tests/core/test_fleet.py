"""Fleet: each rule of who is online, who has an address, and what comes in, as an example to read."""

from __future__ import annotations

from dataclasses import replace
import math

import pytest

from custom_components.site_devices.core.deadlines import Deadlines
from custom_components.site_devices.core.device import ChangeKind, Counts, DeviceRecord
from custom_components.site_devices.core.fleet import DELETED_REMEMBERED, Fleet
from custom_components.site_devices.core.protocol import Category, Channel, Heartbeat, IgnoreReason, Info, Report

DISCOVERED = ChangeKind.DISCOVERED
FIRST_ONLINE = ChangeKind.FIRST_ONLINE
ONLINE = ChangeKind.ONLINE
OFFLINE = ChangeKind.OFFLINE
MOVED = ChangeKind.MOVED
DESCRIBED = ChangeKind.DESCRIBED
CONFLICT = ChangeKind.CONFLICT
CONFLICT_ENDED = ChangeKind.CONFLICT_ENDED
REMOVED = ChangeKind.REMOVED
REPLACED = ChangeKind.REPLACED

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


@pytest.fixture
def yard() -> Yard:
    """A site with a deadline of 30 s that can be heard."""
    return Yard()


# Discovery and heartbeats


def test_the_first_heartbeat_makes_a_record(yard: Yard) -> None:
    assert yard.hear("TEST123", "monstro/1", timestamp="2025-10-17T10:00:00Z", model="M1") == [("TEST123", DISCOVERED)]

    record = yard.record("TEST123")
    assert record.online
    assert record.category is Category.DATALOGGER
    assert record.created == record.last_heartbeat == record.last_communication == NOON
    assert record.timestamp == "2025-10-17T10:00:00Z"
    assert record.info == Info(model="M1")
    assert str(record) == "monstro/1 (TEST123)"


def test_a_steady_heartbeat_changes_nothing_but_the_time(yard: Yard) -> None:
    yard.hear_all("A", "B")
    yard.sleep(10)
    lengths = yard.queue_lengths()

    beat = Heartbeat("datalogger/A", "monstro/A", False, 42, None, {})
    assert yard.fleet.heartbeat(beat, now=yard.now, wall=yard.wall) == ()

    assert yard.record("A").last_heartbeat == NOON + 10
    assert yard.record("A").timestamp == 42
    assert yard.fleet.deadlines.due(yard.record("A")) == yard.now + 30
    assert yard.queue_lengths() == lengths == [2]


def test_a_steady_heartbeat_stays_cheap_for_a_device_that_always_says_what_it_is(yard: Yard) -> None:
    yard.hear("A", model="M1", name="Roof")
    beat = Heartbeat("datalogger/A", "monstro/1", False, None, Info(model="M1", name="Roof"), {})

    assert yard.fleet.heartbeat(beat, now=yard.now, wall=yard.wall) == ()


def test_the_same_serial_in_two_categories_is_two_devices(yard: Yard) -> None:
    assert yard.hear("A", "monstro/1") == [("A", DISCOVERED)]
    assert yard.hear("A", "1", category=Category.GATEWAY) == [("A", DISCOVERED)]
    assert yard.hear("A", "monstro/1") == []
    assert len(yard.fleet.records) == 2


def test_what_a_device_says_of_itself_is_kept_until_it_says_otherwise(yard: Yard) -> None:
    yard.hear("A", model="M1", sw_version="1")

    assert yard.hear("A", sw_version="2") == [("A", DESCRIBED)]
    assert yard.hear("A", sw_version="2") == []
    assert yard.hear("A") == []
    assert yard.record("A").info == Info(model="M1", sw_version="2")


def test_a_report_is_communication_but_no_sign_of_life(yard: Yard) -> None:
    yard.hear("A")
    yard.sleep(20)

    assert yard.report("A") is yard.record("A")

    assert yard.record("A").last_communication == NOON + 20
    assert yard.record("A").last_heartbeat == NOON
    assert yard.wait(10) == [("A", OFFLINE)]
    yard.report("A")
    assert not yard.record("A").online


def test_a_retained_report_is_no_communication(yard: Yard) -> None:
    yard.hear("A")
    yard.sleep(20)

    assert yard.report("A", retained=True) is yard.record("A")

    assert yard.record("A").last_communication == NOON


def test_only_a_heartbeat_makes_a_record(yard: Yard) -> None:
    assert yard.report("A") is IgnoreReason.UNKNOWN_SERIAL
    assert yard.fleet.records == {}


def test_a_device_never_heard_live_has_never_communicated(yard: Yard) -> None:
    yard.hear("A", retained=True)

    assert yard.record("A").last_communication is None


# Silence


def test_a_silent_device_is_offline_at_its_deadline_and_not_before(yard: Yard) -> None:
    yard.hear("A")

    assert yard.fleet.next_deadline() == 1030
    assert yard.fleet.expire(1029.999) == ()
    assert yard.record("A").online
    yard.sleep(30)
    assert yard.expire() == [("A", OFFLINE)]
    assert yard.record("A").online is False
    assert yard.record("A").last_heartbeat == NOON
    assert yard.fleet.next_deadline() is None
    assert yard.fleet.expire(math.inf) == ()


def test_a_device_that_is_heard_in_time_stays_online(yard: Yard) -> None:
    yard.hear("A")
    for _ in range(5):
        assert yard.wait(29) == []
        yard.hear("A")


def test_a_heartbeat_before_the_timer_comes_saves_a_device(yard: Yard) -> None:
    yard.hear("A")
    yard.sleep(31)

    assert yard.hear("A") == []
    assert yard.expire() == []


def test_a_device_comes_back_with_its_next_heartbeat(yard: Yard) -> None:
    yard.hear("A")
    yard.wait(1000)

    assert yard.hear("A") == [("A", ONLINE)]
    assert yard.record("A").online
    assert yard.wait(29) == []
    assert yard.wait(1) == [("A", OFFLINE)]


def test_devices_expire_one_at_a_time_in_the_order_in_which_they_fell_silent(yard: Yard) -> None:
    yard.hear_all("A", "B", "C")
    yard.sleep(10)
    yard.hear_all("B")
    yard.sleep(10)
    yard.hear_all("A")
    yard.sleep(1000)

    changes = [yard.fleet.expire(yard.now) for _ in range(4)]

    assert [[(change.record.serial, change.kind) for change in one] for one in changes] == [
        [("C", OFFLINE)],
        [("B", OFFLINE)],
        [("A", OFFLINE)],
        [],
    ]


def test_the_wall_clock_has_no_say(yard: Yard) -> None:
    yard.hear("A")
    yard.wall += 1_000_000
    assert yard.expire() == []
    yard.wall = 0
    yard.hear("A")
    assert yard.wait(29) == []
    assert yard.wait(1) == [("A", OFFLINE)]


# Deadlines


def test_a_device_can_have_a_deadline_of_its_own(yard: Yard) -> None:
    yard.hear_all("A", "B", "C")
    yard.fleet.set_offline_after(["datalogger/B"], 10)
    yard.fleet.set_offline_after(["datalogger/C"], 100)

    assert yard.fleet.next_deadline() == 1010
    assert yard.wait(10) == [("B", OFFLINE)]
    assert yard.wait(20) == [("A", OFFLINE)]
    assert yard.wait(69) == []
    assert yard.wait(1) == [("C", OFFLINE)]
    yard.hear_all("B")
    assert yard.wait(10) == [("B", OFFLINE)]


def test_a_shortened_deadline_flips_those_overdue_at_once(yard: Yard) -> None:
    yard.hear_all("A")
    yard.sleep(10)
    yard.hear_all("B")
    yard.sleep(5)

    yard.fleet.set_site_offline_after(10)

    assert yard.fleet.next_deadline() == 1010
    assert yard.expire() == [("A", OFFLINE)]
    assert yard.wait(5) == [("B", OFFLINE)]


def test_a_lengthened_deadline_brings_nobody_online(yard: Yard) -> None:
    yard.hear_all("A")
    yard.sleep(20)
    yard.hear_all("B")
    yard.wait(10)
    assert yard.online() == "B"

    yard.fleet.set_site_offline_after(1000)

    assert yard.online() == "B"
    assert yard.wait(989) == []
    assert yard.wait(1) == [("B", OFFLINE)]


def test_the_sites_deadline_leaves_those_with_their_own_alone(yard: Yard) -> None:
    yard.hear_all("A", "B")
    yard.fleet.set_offline_after(["datalogger/A"], 100)

    yard.fleet.set_site_offline_after(10)

    assert yard.wait(10) == [("B", OFFLINE)]
    assert yard.wait(90) == [("A", OFFLINE)]


def test_a_device_can_go_back_to_the_sites_deadline(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.set_offline_after(["datalogger/A"], 100)
    yard.fleet.set_offline_after(["datalogger/A"], None)

    assert yard.wait(30) == [("A", OFFLINE)]


def test_a_deadline_can_be_changed_while_the_device_is_offline(yard: Yard) -> None:
    yard.hear("A")
    yard.wait(30)
    yard.fleet.set_offline_after(["datalogger/A"], 10)

    assert yard.hear("A") == [("A", ONLINE)]
    assert yard.wait(10) == [("A", OFFLINE)]


# When the site can't be heard


def test_deadlines_stand_still_while_nothing_can_be_heard(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.pause(yard.now)
    yard.sleep(100_000)

    assert yard.fleet.next_deadline() is None
    assert yard.fleet.expire(yard.now) == ()
    assert yard.online() == "A"


def test_those_online_get_one_full_deadline_afterwards(yard: Yard) -> None:
    yard.hear_all("A", "B")
    yard.wait(15)
    yard.hear_all("B")
    yard.wait(15)
    yard.fleet.pause(yard.now)
    yard.sleep(1000)

    yard.fleet.resume(yard.now)

    assert yard.online() == "B"
    assert yard.wait(29) == []
    assert yard.wait(1) == [("B", OFFLINE)]


def test_what_is_heard_while_paused_counts(yard: Yard) -> None:
    yard.fleet.pause(yard.now)

    assert yard.hear("A") == [("A", DISCOVERED)]
    yard.sleep(100)
    assert yard.hear("A") == []
    assert yard.fleet.silence(yard.record("A"), yard.now) == 0
    yard.fleet.resume(yard.now)
    assert yard.wait(30) == [("A", OFFLINE)]


def test_a_second_reason_to_pause_begins_no_second_pause(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.interrupted(yard.now, yard.now + 1, yard.now + 1)
    yard.sleep(11)
    yard.fleet.pause(yard.now)
    yard.sleep(50)
    yard.fleet.pause(yard.now)
    assert yard.fleet.silence(yard.record("A"), yard.now) == 10
    yard.sleep(50)
    yard.fleet.resume(yard.now)

    assert yard.fleet.next_deadline() == yard.now + 30 - 10


def test_a_new_fleet_waits_for_the_site() -> None:
    yard = Yard(paused=True)
    yard.hear("A")
    yard.sleep(1000)

    assert yard.fleet.next_deadline() is None
    assert yard.expire() == []


# Grace


def test_after_an_interruption_who_is_online_gets_a_full_deadline(yard: Yard) -> None:
    yard.hear_all("A")
    yard.sleep(10)
    yard.hear_all("B")
    yard.sleep(19)

    yard.fleet.interrupted(yard.now - 5, yard.now, yard.now)

    assert yard.wait(29) == []
    assert yard.wait(1) == [("A", OFFLINE), ("B", OFFLINE)]


@pytest.mark.parametrize("lost_every", [1, 25, 29])
def test_further_interruptions_give_no_more_than_they_took(yard: Yard, lost_every: int) -> None:
    """Off after two deadlines of listening at most, however often the line breaks."""
    yard.hear("A")
    listened = 0
    while yard.online():
        listened += 1
        yard.wait(1)
        if listened % lost_every == 0:
            yard.fleet.pause(yard.now)
            yard.sleep(12)
            yard.fleet.resume(yard.now)
    assert listened == lost_every + 30


def test_who_was_heard_in_between_gets_a_full_deadline_each_time(yard: Yard) -> None:
    yard.hear("A")
    for _ in range(5):
        yard.wait(29)
        yard.fleet.pause(yard.now)
        yard.sleep(100)
        yard.fleet.resume(yard.now)
        assert yard.wait(29) == []
        assert yard.hear("A") == []


def test_who_was_heard_since_the_interruption_keeps_its_grace(yard: Yard) -> None:
    yard.hear_all("A")
    yard.sleep(20)
    yard.hear_all("B")
    yard.fleet.interrupted(yard.now - 15, yard.now, yard.now + 2)
    yard.sleep(2)

    assert [yard.record(serial).graced for serial in "AB"] == [True, False]
    assert yard.wait(28) == [("B", OFFLINE)]
    assert yard.wait(2) == [("A", OFFLINE)]


def test_who_was_heard_while_nobody_was_judged_keeps_its_grace(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.pause(yard.now)
    yard.sleep(100)
    yard.hear("A")
    yard.sleep(20)
    yard.fleet.resume(yard.now)
    assert yard.wait(29) == []
    assert not yard.record().graced
    assert yard.fleet.next_deadline() == yard.now + 1


@pytest.mark.parametrize(("silent", "left"), [(0, 30), (20, 10), (29, 1), (30, 0)])
def test_a_restart_renews_no_grace(yard: Yard, silent: int, left: int) -> None:
    yard.hear("A")
    yard.sleep(29)
    yard = yard.restarted()
    yard.fleet.resume(yard.now)
    yard.sleep(silent)
    for _ in range(3):
        yard = yard.restarted()
        yard.sleep(1000)
        yard.fleet.resume(yard.now)
    assert yard.fleet.next_deadline() == yard.now + left


def test_a_restart_while_nothing_can_be_heard_counts_what_was_listened_to(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.interrupted(yard.now, yard.now + 1, yard.now + 1)
    yard.sleep(11)
    yard.fleet.pause(yard.now)
    yard.sleep(1000)
    yard = yard.restarted()
    yard.fleet.resume(yard.now)
    assert yard.fleet.next_deadline() == yard.now + 20


# Restart


def test_after_a_restart_each_device_is_as_it_was(yard: Yard) -> None:
    yard.hear_all("A", "B")
    yard.hear("C", "monstro/C", retained=True)
    yard.wait(15)
    yard.hear_all("B")
    yard.wait(15)

    yard = yard.restarted()

    assert [(record.serial, record.online) for record in yard.fleet.records.values()] == [
        ("C", None),
        ("A", False),
        ("B", True),
    ]
    assert yard.record("A").last_heartbeat == NOON
    assert yard.record("B").last_heartbeat == NOON + 15
    assert yard.expire() == []
    yard.sleep(500)
    yard.fleet.resume(yard.now)
    assert yard.wait(29) == []
    assert yard.wait(1) == [("B", OFFLINE)]
    assert yard.hear("A", "monstro/A") == [("A", ONLINE)]


def test_a_restart_keeps_own_deadlines_and_deleted_serials(yard: Yard) -> None:
    yard.hear_all("A", "B")
    yard.fleet.set_offline_after(["datalogger/A"], 100)
    yard.fleet.remove("datalogger/B")

    yard = yard.restarted()

    yard.fleet.resume(yard.now)
    assert yard.hear("B", retained=True) is IgnoreReason.DELETED
    assert yard.wait(99) == []
    assert yard.wait(1) == [("A", OFFLINE)]


def test_what_is_heard_before_the_grace_begins_gets_the_same_grace(yard: Yard) -> None:
    yard.hear_all("A", "B")
    yard = yard.restarted()
    yard.hear_all("A")
    yard.sleep(60)

    yard.fleet.resume(yard.now)

    assert yard.wait(29) == []
    assert sorted(yard.wait(1)) == [("A", OFFLINE), ("B", OFFLINE)]


# Retained heartbeats


def test_a_retained_heartbeat_proves_that_a_device_existed(yard: Yard) -> None:
    assert yard.hear("A", retained=True, timestamp="2020-01-01", model="M1") == [("A", DISCOVERED)]

    record = yard.record("A")
    assert record.online is None
    assert record.last_heartbeat is None
    assert record.timestamp is None
    assert record.info == Info(model="M1")
    assert yard.fleet.next_deadline() is None
    assert yard.wait(1000) == []
    assert record.online is None
    assert yard.hear("A") == [("A", FIRST_ONLINE)]
    assert record.online


@pytest.mark.parametrize("silence", [0, 100])
def test_a_retained_heartbeat_changes_nothing_of_a_known_device(yard: Yard, silence: float) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(silence)
    before = repr(yard.record("A"))
    yard.sleep(1)

    assert yard.hear("A", "monstro/2", retained=True, name="Ghost") is IgnoreReason.RETAINED

    assert repr(yard.record("A")) == before


@pytest.mark.parametrize(("max_devices", "retained"), [(1, 1), (2, 1), (3, 2), (10, 5), (11, 6)])
def test_retained_heartbeats_leave_half_of_the_places_to_the_living(max_devices: int, retained: int) -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=max_devices))

    for number in range(retained):
        assert yard.hear(f"R{number}", retained=True) == [(f"R{number}", DISCOVERED)]
    assert yard.hear("ghost", retained=True) is IgnoreReason.RETAINED
    for number in range(max_devices - retained):
        assert yard.hear(f"L{number}", f"monstro/{number + 2}") == [(f"L{number}", DISCOVERED)]
    assert yard.hear("one too many", "monstro/99") is IgnoreReason.FULL


def test_devices_that_live_count_towards_that_half() -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=4))
    yard.hear_all("A", "B")

    assert yard.hear("C", retained=True) is IgnoreReason.RETAINED


# What may come in


def test_a_full_site_still_hears_those_it_knows() -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=1))
    yard.hear("A")
    yard.wait(30)

    assert yard.hear("B") is IgnoreReason.FULL
    assert yard.hear("A") == [("A", ONLINE)]


def test_lowering_the_limit_removes_nothing(yard: Yard) -> None:
    yard.hear_all("A", "B", "C")

    yard.fleet.max_devices = 1

    assert yard.hear("C", "monstro/C") == []
    assert yard.hear("D") is IgnoreReason.FULL
    assert yard.online() == "ABC"


@pytest.mark.parametrize("retained", [False, True])
def test_a_site_that_takes_no_new_devices(retained: bool) -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=1000, accept_new=False))

    assert yard.hear("A", retained=retained) is IgnoreReason.NEW_DEVICE
    yard.fleet.accept_new = True
    assert yard.hear("A", retained=retained) == [("A", DISCOVERED)]


# Removal


def test_a_deleted_device_comes_back_only_with_a_live_heartbeat(yard: Yard) -> None:
    yard.hear("A")
    yard.wait(30)

    assert yard.remove("A") == []

    assert yard.fleet.records == {}
    assert yard.report("A") is IgnoreReason.UNKNOWN_SERIAL
    assert yard.hear("A", retained=True) is IgnoreReason.DELETED
    assert yard.hear("A") == [("A", DISCOVERED)]
    assert list(yard.fleet.deleted) == []


def test_removing_an_online_device_leaves_no_deadline_behind(yard: Yard) -> None:
    yard.hear_all("A", "B")

    yard.fleet.remove("datalogger/A")

    assert yard.queue_lengths() == [1]
    assert yard.wait(30) == [("B", OFFLINE)]


def test_a_deleted_device_that_finds_no_place_stays_deleted() -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=1))
    yard.hear("A")
    yard.fleet.remove("datalogger/A")
    yard.hear("B")

    assert yard.hear("A") is IgnoreReason.FULL
    yard.fleet.max_devices = 1000
    assert yard.hear("A", retained=True) is IgnoreReason.DELETED


def test_the_last_thousand_deleted_serials_are_remembered(yard: Yard) -> None:
    yard.fleet.max_devices = 9900
    for number in range(DELETED_REMEMBERED + 1):
        yard.hear(f"S{number}")
        yard.fleet.remove(f"datalogger/S{number}")

    assert DELETED_REMEMBERED == 1000
    assert len(yard.fleet.deleted) == 1000
    assert yard.hear("S0", retained=True) == [("S0", DISCOVERED)]
    assert yard.hear("S1", retained=True) is IgnoreReason.DELETED


def test_a_serial_deleted_again_is_remembered_anew(yard: Yard) -> None:
    for serial in "ABA":
        yard.hear(serial)
        yard.fleet.remove(f"datalogger/{serial}")

    assert list(yard.fleet.deleted) == ["datalogger/B", "datalogger/A"]


# Names and addresses


def test_a_device_is_called_by_its_address_unless_it_has_a_name(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("G", "1", category=Category.GATEWAY)

    assert yard.name("A") == "monstro/1"
    assert yard.name("G", Category.GATEWAY) == "Gateway 1"
    assert yard.hear("A", "monstro/1", name="Roof") == [("A", DESCRIBED)]
    assert yard.name("A") == "Roof"


def test_a_device_that_moves_is_called_by_its_new_address(yard: Yard) -> None:
    yard.hear("A", "monstro/1")

    assert yard.hear("A", "monstro/2") == [("A", MOVED)]
    assert yard.record("A").address == "monstro/2"
    assert yard.name("A") == "monstro/2"
    assert yard.hear("A", "monstro/2") == []


def test_a_device_may_come_back_at_another_address(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(30)

    assert yard.hear("A", "monstro/2") == [("A", ONLINE), ("A", MOVED)]


def test_an_address_belongs_to_who_came_there_last(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")

    assert yard.hear("NEW", "monstro/1") == [("NEW", DISCOVERED), ("OLD", DESCRIBED)]
    assert yard.name("NEW") == "monstro/1"
    assert yard.name("OLD") == "monstro/1 (OLD)"
    # both live: the names do not change with every heartbeat
    assert yard.hear("OLD", "monstro/1") == []
    assert yard.hear("NEW", "monstro/1") == []


def test_a_gateway_shows_its_serial_in_the_same_way(yard: Yard) -> None:
    yard.hear("OLD", "1", category=Category.GATEWAY)
    yard.hear("NEW", "1", category=Category.GATEWAY)

    assert yard.name("OLD", Category.GATEWAY) == "Gateway 1 (OLD)"


def test_a_datalogger_and_a_gateway_never_share_an_address(yard: Yard) -> None:
    yard.hear("A", "1", category=Category.DATALOGGER)

    assert yard.hear("G", "1", category=Category.GATEWAY) == [("G", DISCOVERED)]
    assert yard.name("A") == "1"
    assert yard.name("G", Category.GATEWAY) == "Gateway 1"


@pytest.mark.parametrize("leave", ["move", "remove"])
def test_who_leaves_gives_the_address_back(yard: Yard, leave: str) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("B", "monstro/1")

    if leave == "move":
        assert yard.hear("B", "monstro/2") == [("B", MOVED), ("A", DESCRIBED)]
    else:
        assert yard.remove("B") == [("A", DESCRIBED)]

    assert yard.name("A") == "monstro/1"


@pytest.mark.parametrize("leave", ["move", "remove"])
def test_who_leaves_what_is_not_theirs_changes_nobodys_name(yard: Yard, leave: str) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("B", "monstro/1")

    if leave == "move":
        assert yard.hear("A", "monstro/2") == [("A", MOVED)]
    else:
        assert yard.remove("A") == []

    assert yard.name("B") == "monstro/1"


def test_who_leaves_gives_the_address_to_one_that_is_alive(yard: Yard) -> None:
    yard.hear("LIVE", "monstro/1")
    yard.hear("DEAD", "monstro/1")
    yard.hear("LAST", "monstro/1")
    yard.sleep(20)
    yard.hear("LIVE", "monstro/1")
    yard.hear("LAST", "monstro/1")
    assert yard.wait(10) == [("DEAD", OFFLINE)]

    assert yard.hear("LAST", "monstro/2") == [("LAST", MOVED), ("LIVE", DESCRIBED)]
    assert yard.name("LIVE") == "monstro/1"
    assert yard.name("DEAD") == "monstro/1 (DEAD)"
    # and so it stays when nobody there is alive any more
    assert yard.wait(30) == [("LIVE", OFFLINE), ("LAST", OFFLINE)]
    assert yard.name("LIVE") == "monstro/1"


def test_a_silent_device_leaves_its_address_to_one_that_is_alive_there(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.hear("B", "monstro/1")
    yard.sleep(20)
    yard.hear("A", "monstro/1")

    assert yard.wait(10) == [("B", OFFLINE), ("B", DESCRIBED), ("A", DESCRIBED)]
    assert yard.name("A") == "monstro/1"
    assert yard.name("B") == "monstro/1 (B)"
    # B comes back, and as the last to come has the address again
    assert yard.hear("B", "monstro/1") == [("B", ONLINE), ("A", DESCRIBED), ("B", DESCRIBED)]
    assert yard.name("B") == "monstro/1"


def test_a_device_that_returns_elsewhere_does_not_touch_the_address_it_left(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(30)
    yard.hear("B", "monstro/1")

    assert yard.hear("A", "monstro/2") == [("A", ONLINE), ("A", MOVED)]
    assert yard.name("A") == "monstro/2"
    assert yard.name("B") == "monstro/1"


def test_a_retained_heartbeat_takes_no_address_from_anybody(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    yard.wait(30)

    assert yard.hear("GHOST", "monstro/1", retained=True) == [("GHOST", DISCOVERED)]
    assert yard.name("A") == "monstro/1"
    assert yard.name("GHOST") == "monstro/1 (GHOST)"
    assert yard.hear("GHOST", "monstro/1") == [("GHOST", FIRST_ONLINE), ("A", DESCRIBED), ("GHOST", DESCRIBED)]
    assert yard.name("GHOST") == "monstro/1"


def test_after_a_restart_an_address_belongs_to_who_was_heard_there_last(yard: Yard) -> None:
    yard.hear("B", "monstro/1")
    yard.sleep(1)
    yard.hear("A", "monstro/1")
    yard.hear("GHOST", "monstro/1", retained=True)
    yard.wait(100)

    yard = yard.restarted()

    assert yard.name("A") == "monstro/1"
    assert yard.name("B") == "monstro/1 (B)"
    assert yard.name("GHOST") == "monstro/1 (GHOST)"


def test_after_a_restart_an_address_belongs_to_one_that_is_alive(yard: Yard) -> None:
    yard.hear("LIVE", "monstro/1")
    yard.fleet.set_offline_after(["datalogger/LIVE"], 1000)
    yard.sleep(1)
    yard.hear("DEAD", "monstro/1")
    yard.wait(100)

    yard = yard.restarted()

    assert yard.name("LIVE") == "monstro/1"


def test_where_a_store_names_no_owner_an_address_belongs_to_one_that_is_alive() -> None:
    stored = [
        DeviceRecord(key=f"gateway/{serial}", address="1", created=0, online=online, last_heartbeat=heard)
        for serial, online, heard in (("FIRST", True, 1.0), ("LAST", True, 2.0), ("DEAD", False, 3.0))
    ]
    fleet = Fleet(offline_after=30, max_devices=10)
    fleet.restore(stored, ())
    assert [fleet.name(record) for record in stored] == ["Gateway 1 (FIRST)", "Gateway 1", "Gateway 1 (DEAD)"]


def test_after_a_restart_two_live_devices_at_one_address_keep_their_names(yard: Yard) -> None:
    yard.hear("OTHER", "monstro/1")
    yard.hear("HOLDER", "monstro/1")
    yard.sleep(1)
    yard.hear("OTHER", "monstro/1")  # heard last, and the address is not its own
    yard.hear("ALONE", "monstro/2")
    assert yard.fleet.places.owners() == ["datalogger/HOLDER"]

    yard = yard.restarted()

    assert yard.name("HOLDER") == "monstro/1"
    assert yard.name("OTHER") == "monstro/1 (OTHER)"


def test_a_device_that_was_just_deleted_still_has_a_name(yard: Yard) -> None:
    yard.hear("A", "monstro/1")
    record = yard.record("A")
    yard.fleet.remove(record.key)

    assert yard.fleet.name(record) == "monstro/1"
    yard.hear("B", "monstro/1")
    assert yard.fleet.name(record) == "monstro/1 (A)"


# Conflicts


def alternate(yard: Yard, *addresses: str, every: float = 10) -> list[Told | IgnoreReason]:
    """Let one serial be heard at several addresses in turn."""
    told = []
    for address in addresses:
        told.append(yard.hear("A", address))
        yard.wait(every)
    return told


def conflicting(yard: Yard) -> Yard:
    """Let a serial be alive at monstro/1 and monstro/2, last heard there 20 and 10 seconds ago."""
    assert alternate(yard, "monstro/1", "monstro/2", "monstro/1", "monstro/2")[-1] == [("A", CONFLICT)]
    return yard


def test_a_serial_that_alternates_three_times_is_a_conflict(yard: Yard) -> None:
    assert alternate(yard, *["monstro/1", "monstro/2"] * 4) == [
        [("A", DISCOVERED)],
        [("A", MOVED)],
        [("A", MOVED)],
        [("A", CONFLICT)],  # once, and nothing moves any more
        [],
        [],
        [],
        [],
    ]
    assert yard.record("A").address == "monstro/1"
    assert yard.name("A") == "monstro/1"
    assert yard.fleet.conflicts() == [yard.record("A")]
    assert yard.online() == "A"


def test_three_alternations_must_come_within_five_deadlines(yard: Yard) -> None:
    told = alternate(yard, "monstro/1", "monstro/2", "monstro/1", "monstro/2", every=75)
    assert told[-1] == [("A", ONLINE), ("A", CONFLICT)]

    yard = Yard()
    told = alternate(yard, "monstro/1", "monstro/2", "monstro/1", "monstro/2", every=75.5)
    assert told[-1] == [("A", ONLINE), ("A", MOVED)]


def test_five_deadlines_are_the_devices_own(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.set_offline_after(["datalogger/A"], 10)
    told = alternate(yard, *["monstro/2", "monstro/1"] * 3, every=26)
    assert told[-1] == [("A", ONLINE), ("A", MOVED)]

    yard.fleet.set_offline_after(["datalogger/A"], 1000)
    assert yard.hear("A", "monstro/2") == [("A", ONLINE), ("A", CONFLICT)]


def test_moving_on_is_no_conflict(yard: Yard) -> None:
    told = alternate(yard, *(f"monstro/{number}" for number in range(40)))

    assert told[1:] == [[("A", MOVED)]] * 39


def test_moving_there_and_back_is_no_conflict(yard: Yard) -> None:
    assert alternate(yard, "monstro/1", "monstro/2", "monstro/1")[1:] == [[("A", MOVED)]] * 2


def test_a_device_that_moved_before_is_frozen_where_the_alternation_began(yard: Yard) -> None:
    told = alternate(yard, "monstro/0", "monstro/1", "monstro/2", "monstro/1", "monstro/2")

    assert told[-1] == [("A", CONFLICT)]
    assert yard.record("A").address == "monstro/1"
    assert set(yard.record("A").rivals or {}) == {"monstro/1", "monstro/2"}


@pytest.mark.parametrize("count", [3, 7, 15])
def test_a_serial_alive_at_many_addresses_is_a_conflict_too(yard: Yard, count: int) -> None:
    told = alternate(
        yard,
        *(f"monstro/{number}" for number in range(count)),
        *(f"monstro/{number}" for number in range(count)),
        "monstro/0",
        "monstro/1",
        "monstro/2",
        every=1,
    )

    assert told[-3:] == [[("A", MOVED)], [("A", CONFLICT)], []]
    assert yard.name("A") == "monstro/0"


def test_a_conflict_noticed_on_the_way_back_moves_the_device_to_where_it_was_first(yard: Yard) -> None:
    yard.hear("B", "monstro/2")

    told = alternate(yard, "monstro/1", "monstro/2", "monstro/3", "monstro/1", "monstro/2", "monstro/1", every=1)

    # it leaves the address to B again
    assert told[-1] == [("A", CONFLICT), ("A", DESCRIBED), ("B", DESCRIBED)]
    assert yard.name("A") == "monstro/1"
    assert yard.name("B") == "monstro/2"


def test_a_conflict_ends_when_one_has_been_silent_for_five_deadlines(yard: Yard) -> None:
    conflicting(yard)  # monstro/1 was heard 20 s ago
    for _ in range(12):
        assert alternate(yard, "monstro/2") == [[]]
    yard.hear("A", "monstro/2")

    assert yard.wait(9) == []
    assert yard.wait(1) == [("A", CONFLICT_ENDED), ("A", MOVED)]
    assert yard.name("A") == "monstro/2"
    assert yard.record("A").rivals is None
    assert yard.fleet.conflicts() == []
    assert yard.hear("A", "monstro/2") == []
    assert yard.hear("A", "monstro/1") == [("A", MOVED)]  # the moves before it count no more


def test_when_the_later_one_falls_silent_the_device_stays_where_it_is(yard: Yard) -> None:
    conflicting(yard)
    for _ in range(13):
        assert alternate(yard, "monstro/1") == [[]]
    yard.hear("A", "monstro/1")

    assert yard.wait(9) == []
    assert yard.wait(1) == [("A", CONFLICT_ENDED)]
    assert yard.name("A") == "monstro/1"


def test_a_shortened_deadline_ends_a_conflict_earlier_and_before_others(yard: Yard) -> None:
    yard.hear("B", "monstro/3")
    yard.fleet.set_offline_after(["datalogger/B"], 20)
    for first, second in 2 * (("monstro/1", "monstro/3"), ("monstro/2", "monstro/4")):
        yard.hear("A", first)
        yard.hear("B", second)
        yard.wait(10)
    assert len(yard.fleet.conflicts()) == 2
    yard.fleet.set_site_offline_after(10)

    assert yard.wait(29) == [("A", OFFLINE), ("B", OFFLINE)]
    assert yard.wait(1) == [("A", CONFLICT_ENDED), ("A", MOVED)]


def test_when_both_fall_silent_at_once_the_device_stays_where_it_is(yard: Yard) -> None:
    # noticed on the way back: it is at monstro/1, and monstro/2 is the first of its rivals
    alternate(yard, "monstro/1", "monstro/2", "monstro/3", "monstro/1", "monstro/2", "monstro/1", every=0)
    assert set((yard.record("A").rivals or {}).values()) == {yard.now}

    assert yard.wait(150) == [("A", OFFLINE), ("A", CONFLICT_ENDED)]
    assert yard.name("A") == "monstro/1"


def test_a_third_address_neither_prolongs_a_conflict_nor_moves_the_device(yard: Yard) -> None:
    conflicting(yard)
    told: Told = []
    for _ in range(13):
        assert yard.hear("A", "monstro/3") == []
        told += yard.wait(10)

    assert told == [("A", CONFLICT_ENDED), ("A", MOVED)]
    assert yard.name("A") == "monstro/2"
    assert yard.hear("A", "monstro/3") == [("A", MOVED)]


def test_a_device_in_conflict_can_be_offline_and_come_back(yard: Yard) -> None:
    conflicting(yard)

    assert yard.wait(20) == [("A", OFFLINE)]
    assert yard.hear("A", "monstro/2") == [("A", ONLINE)]
    assert yard.record("A").address == "monstro/1"


def test_a_conflict_of_which_nothing_is_heard_ends_where_the_device_was_last(yard: Yard) -> None:
    conflicting(yard)

    assert yard.wait(130) == [("A", OFFLINE), ("A", CONFLICT_ENDED), ("A", MOVED)]
    assert yard.name("A") == "monstro/2"


def test_a_silent_device_that_moves_takes_no_address_from_anybody(yard: Yard) -> None:
    conflicting(yard)
    yard.hear("B", "monstro/2")
    yard.fleet.set_offline_after(["datalogger/B"], 1000)

    assert yard.wait(130) == [("A", OFFLINE), ("A", CONFLICT_ENDED), ("A", MOVED)]
    assert yard.name("A") == "monstro/2 (A)"
    assert yard.name("B") == "monstro/2"


def test_a_second_conflict_needs_three_alternations_again(yard: Yard) -> None:
    conflicting(yard)
    yard.wait(1000)

    assert alternate(yard, "monstro/1", "monstro/2", "monstro/1") == [
        [("A", ONLINE), ("A", MOVED)],
        [("A", MOVED)],
        [("A", CONFLICT)],
    ]
    assert yard.name("A") == "monstro/2"


def test_a_conflict_survives_a_restart(yard: Yard) -> None:
    yard = conflicting(yard).restarted()

    assert yard.fleet.conflicts() == [yard.record("A")]
    yard.fleet.resume(yard.now)
    for _ in range(14):
        assert yard.hear("A", "monstro/2") == []  # and fires no second time
        yard.wait(10)
    assert yard.hear("A", "monstro/2") == []
    assert yard.record("A").address == "monstro/1"
    assert yard.wait(10) == [("A", CONFLICT_ENDED), ("A", MOVED)]


def test_a_conflict_of_which_nothing_is_heard_after_a_restart_ends_where_it_was(yard: Yard) -> None:
    yard = conflicting(yard).restarted()
    yard.fleet.resume(yard.now)

    assert yard.wait(150) == [("A", OFFLINE), ("A", CONFLICT_ENDED)]
    assert yard.name("A") == "monstro/1"


def test_a_conflict_stands_still_while_nothing_can_be_heard(yard: Yard) -> None:
    conflicting(yard)
    yard.fleet.pause(yard.now)
    yard.sleep(10_000)
    assert yard.fleet.next_deadline() is None
    assert yard.fleet.expire(yard.now) == ()

    yard.fleet.resume(yard.now)

    assert yard.wait(129) == [("A", OFFLINE)]
    assert yard.wait(1) == [("A", CONFLICT_ENDED), ("A", MOVED)]


def test_a_blind_loop_prolongs_a_conflict(yard: Yard) -> None:
    conflicting(yard)
    yard.sleep(100)
    yard.fleet.interrupted(yard.now - 100, yard.now, yard.now)

    assert yard.wait(129) == [("A", OFFLINE)]
    assert yard.wait(1) == [("A", CONFLICT_ENDED), ("A", MOVED)]


def test_removing_a_device_ends_its_conflict(yard: Yard) -> None:
    conflicting(yard)
    yard.wait(20)
    yard.fleet.remove("datalogger/A")

    assert yard.fleet.conflicts() == []
    assert yard.fleet.next_deadline() is None
    assert yard.wait(1000) == []


# What the site shows


def test_the_last_heartbeat_of_all_is_a_live_one(yard: Yard) -> None:
    yard.hear("A", retained=True)
    assert yard.fleet.last_heartbeat() is None
    for serial in "BCB":
        yard.hear(serial)
        yard.sleep(1)
    assert yard.fleet.last_heartbeat() == NOON + 2


# What must be told


@pytest.mark.parametrize(
    ("online", "told_offline", "pending_event"),
    [
        (None, False, None),
        (True, False, None),
        (True, True, ONLINE),
        (False, True, None),
        (False, False, OFFLINE),
    ],
)
def test_what_must_be_told_is_what_is_true_and_was_not_told_last(
    online: bool | None, told_offline: bool, pending_event: ChangeKind | None
) -> None:
    record = DeviceRecord(key="gateway/A", address="1", created=0, online=online, told_offline=told_offline)
    assert record.pending_event is pending_event
    record.muted = True
    assert record.pending_event is None


# Counts


def test_counts(yard: Yard) -> None:
    assert yard.fleet.counts() == Counts(known=0, online=0, offline=0)
    yard.hear_all("A", "B", "C")
    yard.wait(30)
    yard.hear_all("A")
    yard.hear("D", "monstro/D", retained=True)

    assert yard.fleet.counts() == Counts(known=4, online=1, offline=2)
    yard.record("B").muted = True
    assert yard.fleet.counts() == Counts(known=3, online=1, offline=1)


# Replaced hardware


def replaced(yard: Yard) -> Yard:
    """Let NEW come to the address of OLD after that one fell silent, and stay for two deadlines."""
    yard.hear("OLD", "monstro/1", model="M1", sw_version="1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1", sw_version="2")
    for _ in range(6):
        yard.wait(10)
        yard.hear("NEW", "monstro/1", sw_version="2")
    return yard


def pairs(yard: Yard) -> Told | list[tuple[str, str]]:
    """Return who seems to replace whom."""
    return [(old.serial, new.serial) for old, new in yard.fleet.replacements(yard.now)]


def test_a_younger_device_at_the_address_of_a_silent_one_replaces_it(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1")
    yard.hear("OTHER", "monstro/2")
    for _ in range(3):
        yard.wait(19)
        yard.hear("NEW", "monstro/1")

    assert pairs(yard) == []
    yard.wait(3)
    assert pairs(yard) == [("OLD", "NEW")]


def beat_for(yard: Yard, serial: str, seconds: int) -> None:
    """Let a device beat each second at monstro/1, also when this began."""
    for _ in range(seconds):
        yard.hear(serial, "monstro/1")
        yard.wait(1)


def test_the_two_deadlines_begin_anew_when_the_younger_device_comes_back(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.wait(30)
    yard.hear("NEW", "monstro/1")
    yard.wait(100)

    beat_for(yard, "NEW", 59)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLD", "NEW")]


def test_the_two_deadlines_begin_anew_when_the_younger_device_moves_there(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.wait(30)
    yard.hear("NEW", "monstro/2")
    for _ in range(10):
        yard.wait(10)
        yard.hear("NEW", "monstro/2")

    beat_for(yard, "NEW", 59)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLD", "NEW")]


def test_the_two_deadlines_begin_anew_after_a_restart_and_after_nothing_else(yard: Yard) -> None:
    yard = replaced(yard).restarted()
    yard.sleep(1000)
    assert pairs(yard) == []
    yard.fleet.resume(yard.now)

    beat_for(yard, "NEW", 30)
    yard.fleet.pause(yard.now)
    yard.sleep(10)
    yard.fleet.resume(yard.now)
    beat_for(yard, "NEW", 19)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLD", "NEW")]


@pytest.mark.parametrize("muted", ["OLD", "NEW"])
def test_muted_devices_are_replaced_by_nobody(yard: Yard, muted: str) -> None:
    replaced(yard).record(muted).muted = True

    assert pairs(yard) == []


def test_a_younger_device_that_fell_silent_as_well_replaces_nobody(yard: Yard) -> None:
    replaced(yard).wait(30)

    assert pairs(yard) == []


def test_a_device_of_the_same_age_replaces_nobody(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    beat_for(yard, "NEW", 100)

    assert pairs(yard) == []


def test_a_device_that_lives_is_replaced_by_nobody(yard: Yard) -> None:
    yard.hear("OLD", "monstro/1")
    yard.hear("NEW", "monstro/1")
    for _ in range(10):
        yard.wait(10)
        yard.hear("OLD", "monstro/1")
        yard.hear("NEW", "monstro/1")

    assert pairs(yard) == []


def test_a_device_that_never_lived_is_replaced_by_nobody(yard: Yard) -> None:
    yard.hear("GHOST", "monstro/1", retained=True)
    yard.sleep(1)
    yard.hear("NEW", "monstro/1")
    yard.fleet.set_site_offline_after(1)
    yard.sleep(2)

    assert pairs(yard) == []


def test_an_older_device_that_comes_back_replaces_nobody(yard: Yard) -> None:
    replaced(yard)
    yard.wait(30)
    yard.fleet.set_site_offline_after(1000)
    yard.hear("OLD", "monstro/1")
    yard.sleep(5000)

    assert pairs(yard) == []


def test_the_last_of_several_silent_devices_is_replaced(yard: Yard) -> None:
    yard.hear("OLDEST", "monstro/1")
    yard.wait(30)
    replaced(yard)

    assert pairs(yard) == [("OLD", "NEW")]


def test_new_hardware_goes_on_as_the_device_that_it_replaces(yard: Yard) -> None:
    replaced(yard)
    old, new = yard.record("OLD"), yard.record("NEW")
    yard.fleet.set_offline_after(["datalogger/OLD"], 100)
    yard.hear("NEW", "monstro/2", timestamp="now")

    assert yard.fleet.replace(old, new) == ((new, REMOVED, None), (old, REPLACED, "datalogger/OLD"))

    assert yard.fleet.records == {"datalogger/NEW": old}
    assert old.serial == "NEW"
    assert old.address == "monstro/2"
    assert old.created == NOON
    assert old.online
    assert old.timestamp == "now"
    assert old.last_heartbeat == yard.wall
    assert old.info == Info(model="M1", sw_version="2")
    assert yard.fleet.name(old) == "monstro/2"
    assert yard.queue_lengths() == [1]
    assert yard.wait(99) == []
    assert yard.wait(1) == [("NEW", OFFLINE)]


def test_a_serial_that_was_replaced_does_not_come_back_from_what_the_broker_retained(yard: Yard) -> None:
    replaced(yard)

    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))

    assert yard.hear("OLD", "monstro/1", retained=True) is IgnoreReason.DELETED
    assert yard.hear("OLD", "monstro/1") == [("OLD", DISCOVERED), ("NEW", DESCRIBED)]


@pytest.mark.parametrize("conflicting", ["OLD", "NEW"])
def test_hardware_is_replaced_together_with_its_conflict(yard: Yard, conflicting: str) -> None:
    for address in ("monstro/1", "monstro/2", "monstro/1", "monstro/2" if conflicting == "OLD" else "monstro/1"):
        yard.hear("OLD", address)
    yard.wait(30)
    for address in ("monstro/1", "monstro/2", "monstro/1", "monstro/2" if conflicting == "NEW" else "monstro/1"):
        yard.hear("NEW", address)
    old, new = yard.record("OLD"), yard.record("NEW")
    assert yard.fleet.conflicts() == [yard.record(conflicting)]

    yard.fleet.replace(old, new)

    assert yard.fleet.conflicts() == []
    assert old.rivals is None
    assert yard.fleet.next_deadline() == yard.fleet.deadlines.due(old)
    assert yard.hear("NEW", "monstro/2") == [("NEW", MOVED)]


@pytest.mark.parametrize("graced", [True, False])
def test_new_hardware_has_its_own_grace_as_the_device_that_it_replaces(yard: Yard, graced: bool) -> None:
    replaced(yard)
    old, new = yard.record("OLD"), yard.record("NEW")
    if graced:
        yard.fleet.interrupted(yard.now, yard.now + 1, yard.now + 1)
        yard.sleep(1)
    yard.fleet.replace(old, new)
    yard.sleep(10)
    yard.fleet.interrupted(yard.now - 5, yard.now, yard.now)
    assert yard.fleet.next_deadline() == yard.now + (25 if graced else 30)


def test_new_hardware_has_been_at_its_address_for_as_long_as_it_was_before(yard: Yard) -> None:
    for serial in ("OLDEST", "OLD"):
        yard.hear(serial, "monstro/1")
        yard.wait(100)
    beat_for(yard, "NEW", 20)
    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))

    beat_for(yard, "NEW", 39)
    assert pairs(yard) == []
    yard.wait(1)
    assert pairs(yard) == [("OLDEST", "NEW")]


def test_the_two_deadlines_are_the_younger_devices_own(yard: Yard) -> None:
    replaced(yard)
    yard.fleet.set_offline_after(["datalogger/NEW"], 100)
    yard.wait(99)
    assert pairs(yard) == []
    beat_for(yard, "NEW", 41)
    assert pairs(yard) == [("OLD", "NEW")]


def test_others_at_the_address_keep_their_names_when_hardware_is_replaced(yard: Yard) -> None:
    yard.hear("OLDEST", "monstro/1")
    yard.wait(30)
    replaced(yard)

    yard.fleet.replace(yard.record("OLD"), yard.record("NEW"))

    assert yard.name("OLDEST") == "monstro/1 (OLDEST)"
    assert yard.name("NEW") == "monstro/1"


# Work: a look at the deadlines costs what is due, however many others there are


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count what the agendas ask for: the end of a queue, the end of a conflict."""
    asked = {"_head_due": 0, "_conflict_end": 0}

    def count(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def counting(self: object, thing: object) -> object:
            asked[name] += 1
            return original(self, thing)

        monkeypatch.setattr(owner, name, counting)

    count(Deadlines, "_head_due")
    count(Fleet, "_conflict_end")
    return asked


MOST = 9900
AT_ONCE = 1000  # put right by one look


def run_down(fleet: Fleet, asked: dict[str, int], name: str) -> tuple[int, int]:
    """Let everything happen that is due; return the work of all of it, and the most of one step."""
    begun, most, steps = asked[name], 0, 0
    while (due := fleet.next_deadline()) is not None:
        while True:
            before = asked[name]
            changes = fleet.expire(due)
            fleet.next_deadline()
            most = max(most, asked[name] - before)
            steps += 1
            if not changes:
                break
        assert steps < 10 * MOST
    return asked[name] - begun, most


def distinct(count: int, *, apart: float = 1.0) -> Fleet:
    """Return a fleet in which each device has a deadline of its own, from 5 s on."""
    fleet = Fleet(offline_after=30, max_devices=count)
    fleet.restore(
        [
            DeviceRecord(key=f"gateway/{number}", address="1", created=0, online=True, offline_after=5 + number * apart)
            for number in range(count)
        ],
        (),
    )
    fleet.resume(0)
    return fleet


def test_as_many_deadlines_as_devices_cost_a_few_questions_each(asked: dict[str, int]) -> None:
    fleet = distinct(MOST)
    total, most = run_down(fleet, asked, "_head_due")
    assert fleet.counts().offline == MOST
    assert total < 8 * MOST
    assert most <= 8


def test_a_heartbeat_asks_for_no_end(asked: dict[str, int]) -> None:
    fleet = distinct(100)
    asked["_head_due"] = 0
    for number in range(100):
        fleet.heartbeat(Heartbeat(f"gateway/{number}", "1", False, None, None, {}), now=1, wall=1)
    assert asked["_head_due"] == 0


def test_thousands_of_deadlines_that_moved_on_are_put_right_in_bounded_steps(asked: dict[str, int]) -> None:
    fleet = distinct(MOST)
    asked["_head_due"] = most = looks = 0
    for now in range(1, 40):  # all beat, again and again, and none is ever due
        for number in range(MOST):
            fleet.heartbeat(Heartbeat(f"gateway/{number}", "1", False, None, None, {}), now=now, wall=1)
        before = asked["_head_due"]
        due = fleet.next_deadline()
        assert due is not None
        assert due <= now + 5
        assert fleet.expire(now) == ()
        most = max(most, asked["_head_due"] - before)
        looks += 1
    assert most <= 2 * AT_ONCE
    while fleet.next_deadline() != 44:  # the true first
        looks += 1
        assert looks < 60


def in_conflict(count: int) -> Fleet:
    """Return a fleet in which each device is alive at two addresses."""
    fleet = Fleet(offline_after=30, max_devices=count)
    fleet.resume(0)
    for _ in range(2):
        beat_everywhere(fleet, count, now=0)
    return fleet


def beat_everywhere(fleet: Fleet, count: int, *, now: float) -> None:
    for address in "ab":
        for number in range(count):
            fleet.heartbeat(Heartbeat(f"gateway/{number}", address, False, None, None, {}), now=now, wall=1)


def test_while_more_moved_on_than_one_look_puts_right_nobody_is_called_offline() -> None:
    fleet = distinct(3 * AT_ONCE, apart=0.0001)
    for record in list(fleet.records.values()):
        fleet.heartbeat(Heartbeat(record.key, "1", False, None, None, {}), now=4.9, wall=1)
    for _ in range(4):
        assert fleet.expire(6) == ()
    assert fleet.counts().online == 3 * AT_ONCE


def test_while_more_moved_on_than_one_look_puts_right_no_conflict_ends() -> None:
    fleet = in_conflict(3 * AT_ONCE)
    assert len(fleet.conflicts()) == 3 * AT_ONCE
    beat_everywhere(fleet, 3 * AT_ONCE, now=140)
    for _ in range(4):
        assert fleet.expire(150) == ()
    assert len(fleet.conflicts()) == 3 * AT_ONCE


def test_thousands_of_conflicts_cost_a_few_questions_each(asked: dict[str, int]) -> None:
    count = 3000
    fleet = Fleet(offline_after=30, max_devices=count)
    fleet.resume(0)
    most = 0
    for number in range(count):
        for turn in range(4):
            before = asked["_conflict_end"]
            beat = Heartbeat(f"gateway/{number}", f"{turn % 2}-{number}", False, None, None, {})
            fleet.heartbeat(beat, now=number / 100, wall=1)
            fleet.next_deadline()
            most = max(most, asked["_conflict_end"] - before)
    assert len(fleet.conflicts()) == count
    assert most <= 4
    total, most = run_down(fleet, asked, "_conflict_end")
    assert fleet.conflicts() == []
    assert total < 16 * count
    assert most <= 8
