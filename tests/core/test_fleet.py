"""Fleet: discovery, silence, what comes in and what goes, as examples to read."""

from __future__ import annotations

import math

import pytest

from custom_components.site_devices.core.device import ChangeKind, Counts
from custom_components.site_devices.core.fleet import DELETED_REMEMBERED, Fleet
from custom_components.site_devices.core.protocol import Category, Heartbeat, IgnoreReason, Info

from .yard import NOON, Yard, told

# Discovery and heartbeats


def test_the_first_heartbeat_makes_a_record(yard: Yard) -> None:
    assert yard.hear("TEST123", "monstro/1", timestamp="2025-10-17T10:00:00Z", model="M1") == ["TEST123 discovered"]
    record = yard.record("TEST123")
    assert record.online
    assert record.category is Category.DATALOGGER
    assert record.created == record.last_heartbeat == record.last_communication == NOON
    assert record.timestamp == "2025-10-17T10:00:00Z"
    assert record.info == Info(model="M1")
    assert str(record) == "monstro/1 (TEST123)"


def test_a_steady_heartbeat_changes_nothing_but_the_time(yard: Yard) -> None:
    yard.play("A", "B", 10)
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
    assert yard.hear("A", "monstro/1") == ["A discovered"]
    assert yard.hear("A", "1", category=Category.GATEWAY) == ["A discovered"]
    assert yard.hear("A", "monstro/1") == []
    assert len(yard.fleet.records) == 2


def test_what_a_device_says_of_itself_is_kept_until_it_says_otherwise(yard: Yard) -> None:
    yard.hear("A", model="M1", sw_version="1")
    assert yard.hear("A", sw_version="2") == ["A described"]
    assert yard.hear("A", sw_version="2") == []
    assert yard.hear("A") == []
    assert yard.record("A").info == Info(model="M1", sw_version="2")


@pytest.mark.parametrize(("retained", "communication"), [(False, NOON + 20), (True, NOON)])
def test_a_live_report_is_communication_but_no_sign_of_life(yard: Yard, retained: bool, communication: float) -> None:
    yard.play("A", 20)
    assert yard.report("A", retained=retained) is yard.record("A")
    assert yard.record("A").last_communication == communication
    assert yard.record("A").last_heartbeat == NOON
    assert yard.wait(10) == ["A offline"]
    yard.report("A", retained=retained)
    assert not yard.record("A").online


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
    assert yard.expire() == ["A offline"]
    assert yard.record("A").online is False
    assert yard.record("A").last_heartbeat == NOON
    assert yard.fleet.next_deadline() is None
    assert yard.fleet.expire(math.inf) == ()


def test_a_heartbeat_before_the_timer_comes_saves_a_device(yard: Yard) -> None:
    yard.hear("A")
    yard.sleep(31)
    assert yard.hear("A") == []
    assert yard.expire() == []


def test_a_device_comes_back_with_its_next_heartbeat(yard: Yard) -> None:
    yard.hear("A")
    yard.wait(1000)
    assert yard.hear("A") == ["A online"]
    assert yard.record("A").online
    assert yard.wait_exactly(30) == ["A offline"]


def test_devices_expire_one_at_a_time_in_the_order_in_which_they_fell_silent(yard: Yard) -> None:
    yard.play("A", "B", "C", 10, "B", 10, "A")
    yard.sleep(1000)
    changes = [told(yard.fleet.expire(yard.now)) for _ in range(4)]
    assert changes == [["C offline"], ["B offline"], ["A offline"], []]


def test_the_wall_clock_has_no_say(yard: Yard) -> None:
    yard.hear("A")
    yard.wall += 1_000_000
    assert yard.expire() == []
    yard.wall = 0
    yard.hear("A")
    assert yard.wait_exactly(30) == ["A offline"]


# Retained heartbeats


def test_a_retained_heartbeat_proves_that_a_device_existed(yard: Yard) -> None:
    assert yard.hear("A", retained=True, timestamp="2020-01-01", model="M1") == ["A discovered"]
    record = yard.record("A")
    assert record.online is None
    assert record.last_heartbeat is None
    assert record.timestamp is None
    assert record.info == Info(model="M1")
    assert yard.fleet.next_deadline() is None
    assert yard.wait(1000) == []
    assert record.online is None
    assert yard.hear("A") == ["A first_online"]
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
        assert yard.hear(f"R{number}", retained=True) == [f"R{number} discovered"]
    assert yard.hear("ghost", retained=True) is IgnoreReason.RETAINED
    for number in range(max_devices - retained):
        assert yard.hear(f"L{number}", f"monstro/{number + 2}") == [f"L{number} discovered"]
    assert yard.hear("one too many", "monstro/99") is IgnoreReason.FULL


def test_devices_that_live_count_towards_that_half() -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=4))
    yard.play("A", "B")
    assert yard.hear("C", retained=True) is IgnoreReason.RETAINED


# What may come in


def test_a_full_site_still_hears_those_it_knows() -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=1))
    yard.hear("A")
    yard.wait(30)
    assert yard.hear("B") is IgnoreReason.FULL
    assert yard.hear("A") == ["A online"]


def test_lowering_the_limit_removes_nothing(yard: Yard) -> None:
    yard.play("A", "B", "C")
    yard.fleet.max_devices = 1
    assert yard.hear("C", "monstro/C") == []
    assert yard.hear("D") is IgnoreReason.FULL
    assert yard.online() == "ABC"


@pytest.mark.parametrize("retained", [False, True])
def test_a_site_that_takes_no_new_devices(retained: bool) -> None:
    yard = Yard(Fleet(offline_after=30, max_devices=1000, accept_new=False))
    assert yard.hear("A", retained=retained) is IgnoreReason.NEW_DEVICE
    yard.fleet.accept_new = True
    assert yard.hear("A", retained=retained) == ["A discovered"]


# Removal


def test_a_deleted_device_comes_back_only_with_a_live_heartbeat(yard: Yard) -> None:
    yard.hear("A")
    yard.wait(30)
    assert yard.remove("A") == []
    assert yard.fleet.records == {}
    assert yard.report("A") is IgnoreReason.UNKNOWN_SERIAL
    assert yard.hear("A", retained=True) is IgnoreReason.DELETED
    assert yard.hear("A") == ["A discovered"]
    assert list(yard.fleet.deleted) == []


def test_removing_an_online_device_leaves_no_deadline_behind(yard: Yard) -> None:
    yard.play("A", "B")
    yard.fleet.remove("datalogger/A")
    assert yard.queue_lengths() == [1]
    assert yard.wait(30) == ["B offline"]


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
    assert yard.hear("S0", retained=True) == ["S0 discovered"]
    assert yard.hear("S1", retained=True) is IgnoreReason.DELETED


def test_a_serial_deleted_again_is_remembered_anew(yard: Yard) -> None:
    for serial in "ABA":
        yard.hear(serial)
        yard.fleet.remove(f"datalogger/{serial}")
    assert list(yard.fleet.deleted) == ["datalogger/B", "datalogger/A"]


# What the site shows


def test_the_last_heartbeat_of_all_is_a_live_one(yard: Yard) -> None:
    yard.hear("A", retained=True)
    assert yard.fleet.last_heartbeat() is None
    for serial in "BCB":
        yard.hear(serial)
        yard.sleep(1)
    assert yard.fleet.last_heartbeat() == NOON + 2


# Counts


def test_counts(yard: Yard) -> None:
    assert yard.fleet.counts() == Counts(known=0, online=0, offline=0)
    yard.play("A", "B", "C", 30, "A")
    yard.hear("D", "monstro/D", retained=True)
    assert yard.fleet.counts() == Counts(known=4, online=1, offline=2)
    yard.record("B").muted = True
    assert yard.fleet.counts() == Counts(known=3, online=1, offline=1)


def test_muting_is_a_change_once(yard: Yard) -> None:
    yard.hear("A")
    record = yard.record("A")
    assert yard.fleet.mute(record, True) == ((record, ChangeKind.MUTED, None),)
    assert yard.fleet.mute(record, True) == ()
    assert yard.fleet.mute(record, False) == ((record, ChangeKind.MUTED, None),)
    assert not record.muted
