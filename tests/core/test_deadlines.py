"""Deadlines: whose counts, what an interruption moves, and what looking at them costs."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.protocol import IgnoreReason

from .yard import NOON, Yard

# Deadlines


def test_a_device_can_have_a_deadline_of_its_own(yard: Yard) -> None:
    yard.play("A", "B", "C")
    yard.fleet.set_offline_after(["datalogger/B"], 10)
    yard.fleet.set_offline_after(["datalogger/C"], 100)
    assert yard.fleet.next_deadline() == 1010
    assert yard.wait(10) == ["B offline"]
    assert yard.wait(20) == ["A offline"]
    assert yard.wait_exactly(70) == ["C offline"]
    yard.play("B")
    assert yard.wait(10) == ["B offline"]


def test_a_shortened_deadline_flips_those_overdue_at_once(yard: Yard) -> None:
    yard.play("A", 10, "B", 5)
    yard.fleet.set_site_offline_after(10)
    assert yard.fleet.next_deadline() == 1010
    assert yard.expire() == ["A offline"]
    assert yard.wait(5) == ["B offline"]


def test_a_lengthened_deadline_brings_nobody_online(yard: Yard) -> None:
    yard.play("A", 20, "B", 10)
    assert yard.online() == "B"
    yard.fleet.set_site_offline_after(1000)
    assert yard.online() == "B"
    assert yard.wait_exactly(990) == ["B offline"]


def test_the_sites_deadline_leaves_those_with_their_own_alone(yard: Yard) -> None:
    yard.play("A", "B")
    yard.fleet.set_offline_after(["datalogger/A"], 100)
    yard.fleet.set_site_offline_after(10)
    assert yard.wait(10) == ["B offline"]
    assert yard.wait(90) == ["A offline"]


def test_a_device_can_go_back_to_the_sites_deadline(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.set_offline_after(["datalogger/A"], 100)
    yard.fleet.set_offline_after(["datalogger/A"], None)
    assert yard.wait(30) == ["A offline"]


def test_a_deadline_can_be_changed_while_the_device_is_offline(yard: Yard) -> None:
    yard.hear("A")
    yard.wait(30)
    yard.fleet.set_offline_after(["datalogger/A"], 10)
    assert yard.hear("A") == ["A online"]
    assert yard.wait(10) == ["A offline"]


# When the site can't be heard


def test_deadlines_stand_still_while_nothing_can_be_heard(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.pause(yard.now)
    yard.sleep(100_000)
    assert yard.fleet.next_deadline() is None
    assert yard.fleet.expire(yard.now) == ()
    assert yard.online() == "A"


def test_those_online_get_one_full_deadline_afterwards(yard: Yard) -> None:
    yard.play("A", "B", 15, "B", 15)
    yard.deaf(1000)
    assert yard.online() == "B"
    assert yard.wait_exactly(30) == ["B offline"]


def test_what_is_heard_while_paused_counts(yard: Yard) -> None:
    yard.fleet.pause(yard.now)
    assert yard.hear("A") == ["A discovered"]
    yard.sleep(100)
    assert yard.hear("A") == []
    assert yard.fleet.silence(yard.record("A"), yard.now) == 0
    yard.fleet.resume(yard.now)
    assert yard.wait(30) == ["A offline"]


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
    yard.play("A", 10, "B", 19)
    yard.fleet.interrupted(yard.now - 5, yard.now, yard.now)
    assert yard.wait_exactly(30) == ["A offline", "B offline"]


@pytest.mark.parametrize("lost_every", [1, 25, 29])
def test_further_interruptions_give_no_more_than_they_took(yard: Yard, lost_every: int) -> None:
    """Off after two deadlines of listening at most, however often the line breaks."""
    yard.hear("A")
    listened = 0
    while yard.online():
        listened += 1
        yard.wait(1)
        if listened % lost_every == 0:
            yard.deaf(12)
    assert listened == lost_every + 30


def test_who_was_heard_in_between_gets_a_full_deadline_each_time(yard: Yard) -> None:
    yard.hear("A")
    for _ in range(5):
        yard.wait(29)
        yard.deaf(100)
        assert yard.wait(29) == []
        assert yard.hear("A") == []


def test_who_was_heard_since_the_interruption_keeps_its_grace(yard: Yard) -> None:
    yard.play("A", 20, "B")
    yard.fleet.interrupted(yard.now - 15, yard.now, yard.now + 2)
    yard.sleep(2)
    assert [yard.record(serial).graced for serial in "AB"] == [True, False]
    assert yard.wait(28) == ["B offline"]
    assert yard.wait(2) == ["A offline"]


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
    yard.play("A", 29)
    yard = yard.restarted(listening=True)
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
    yard = yard.restarted(listening=True)
    assert yard.fleet.next_deadline() == yard.now + 20


# Restart


def test_after_a_restart_each_device_is_as_it_was(yard: Yard) -> None:
    yard.play("A", "B")
    yard.hear("C", "monstro/C", retained=True)
    yard.play(15, "B", 15)
    yard = yard.restarted()
    known = yard.fleet.records.values()
    assert [(record.serial, record.online) for record in known] == [("C", None), ("A", False), ("B", True)]
    assert yard.record("A").last_heartbeat == NOON
    assert yard.record("B").last_heartbeat == NOON + 15
    assert yard.expire() == []
    yard.sleep(500)
    yard.fleet.resume(yard.now)
    assert yard.wait_exactly(30) == ["B offline"]
    assert yard.hear("A", "monstro/A") == ["A online"]


def test_a_restart_keeps_own_deadlines_and_deleted_serials(yard: Yard) -> None:
    yard.play("A", "B")
    yard.fleet.set_offline_after(["datalogger/A"], 100)
    yard.fleet.remove("datalogger/B")
    yard = yard.restarted(listening=True)
    assert yard.hear("B", retained=True) is IgnoreReason.DELETED
    assert yard.wait_exactly(100) == ["A offline"]


def test_what_is_heard_before_the_grace_begins_gets_the_same_grace(yard: Yard) -> None:
    yard.play("A", "B")
    yard = yard.restarted()
    yard.play("A", 60)
    yard.fleet.resume(yard.now)
    assert yard.wait(29) == []
    assert sorted(yard.wait(1)) == ["A offline", "B offline"]
