"""Conflicts: one serial alive at two addresses."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.protocol import IgnoreReason

from .yard import Told, Yard


def alternate(yard: Yard, *addresses: int, every: float = 10) -> list[Told | IgnoreReason]:
    """Let one serial be heard at several addresses in turn."""
    told = []
    for address in addresses:
        told.append(yard.hear("A", f"monstro/{address}"))
        yard.wait(every)
    return told


def conflicting(yard: Yard) -> Yard:
    """Let a serial be alive at monstro/1 and monstro/2, last heard there 20 and 10 seconds ago."""
    assert alternate(yard, 1, 2, 1, 2)[-1] == ["A conflict"]
    return yard


def test_a_serial_that_alternates_three_times_is_a_conflict(yard: Yard) -> None:
    told = alternate(yard, *[1, 2] * 4)
    assert told[:4] == [["A discovered"], ["A moved"], ["A moved"], ["A conflict"]]
    assert told[4:] == [[]] * 4  # once, and nothing moves any more
    assert yard.record("A").address == "monstro/1"
    assert yard.name("A") == "monstro/1"
    assert yard.fleet.conflicts() == [yard.record("A")]
    assert yard.online() == "A"


@pytest.mark.parametrize(("every", "change"), [(75, "conflict"), (75.5, "moved")])
def test_three_alternations_must_come_within_five_deadlines(yard: Yard, every: float, change: str) -> None:
    assert alternate(yard, 1, 2, 1, 2, every=every)[-1] == ["A online", f"A {change}"]


def test_five_deadlines_are_the_devices_own(yard: Yard) -> None:
    yard.hear("A")
    yard.fleet.set_offline_after(["datalogger/A"], 10)
    assert alternate(yard, *[2, 1] * 3, every=26)[-1] == ["A online", "A moved"]
    yard.fleet.set_offline_after(["datalogger/A"], 1000)
    assert yard.hear("A", "monstro/2") == ["A online", "A conflict"]


@pytest.mark.parametrize("addresses", [range(40), (1, 2, 1)], ids=["on", "there and back"])
def test_moving_is_no_conflict(yard: Yard, addresses: list[int]) -> None:
    assert alternate(yard, *addresses)[1:] == [["A moved"]] * (len(addresses) - 1)


def test_a_device_that_moved_before_is_frozen_where_the_alternation_began(yard: Yard) -> None:
    assert alternate(yard, 0, 1, 2, 1, 2)[-1] == ["A conflict"]
    assert yard.record("A").address == "monstro/1"
    assert set(yard.record("A").rivals or {}) == {"monstro/1", "monstro/2"}


@pytest.mark.parametrize("count", [3, 7, 15])
def test_a_serial_alive_at_many_addresses_is_a_conflict_too(yard: Yard, count: int) -> None:
    told = alternate(yard, *2 * list(range(count)), 0, 1, 2, every=1)
    assert told[-3:] == [["A moved"], ["A conflict"], []]
    assert yard.name("A") == "monstro/0"


def test_a_conflict_noticed_on_the_way_back_moves_the_device_to_where_it_was_first(yard: Yard) -> None:
    yard.hear("B", "monstro/2")
    told = alternate(yard, 1, 2, 3, 1, 2, 1, every=1)
    assert told[-1] == ["A conflict", "A described", "B described"]  # it leaves the address to B again
    assert yard.names() == {"A": "monstro/1", "B": "monstro/2"}


@pytest.mark.parametrize(
    ("heard", "seconds", "told", "address", "another"),
    [
        pytest.param(2, 130, ["A conflict_ended", "A moved"], 2, 1, id="one falls silent"),
        pytest.param(1, 140, ["A conflict_ended"], 1, 2, id="the later one falls silent"),
        pytest.param(3, 130, ["A conflict_ended", "A moved"], 2, 3, id="both do, and a third one changes nothing"),
    ],
)
def test_a_conflict_ends_when_one_has_been_silent_for_five_deadlines(
    yard: Yard, heard: int, seconds: int, told: Told, address: int, another: int
) -> None:
    conflicting(yard)
    for _ in range(10, seconds, 10):
        assert yard.play(f"A@{heard}") == yard.play(10) == []
    assert yard.play(f"A@{heard}") == []
    assert yard.wait_exactly(10) == told
    assert yard.name("A") == f"monstro/{address}"
    assert yard.record("A").rivals is None
    assert yard.fleet.conflicts() == []
    assert yard.play(f"A@{address}", f"A@{another}") == ["A moved"]  # the moves before it count no more


def test_a_shortened_deadline_ends_a_conflict_earlier_and_before_others(yard: Yard) -> None:
    yard.hear("B", "monstro/3")
    yard.fleet.set_offline_after(["datalogger/B"], 20)
    yard.play(*2 * ("A@1", "B@3", 10, "A@2", "B@4", 10))
    assert len(yard.fleet.conflicts()) == 2
    yard.fleet.set_site_offline_after(10)
    assert yard.wait(29) == ["A offline", "B offline"]
    assert yard.wait(1) == ["A conflict_ended", "A moved"]


def test_when_both_fall_silent_at_once_the_device_stays_where_it_is(yard: Yard) -> None:
    # noticed on the way back: it is at monstro/1, and monstro/2 is the first of its rivals
    alternate(yard, 1, 2, 3, 1, 2, 1, every=0)
    assert set((yard.record("A").rivals or {}).values()) == {yard.now}
    assert yard.wait(150) == ["A offline", "A conflict_ended"]
    assert yard.name("A") == "monstro/1"


def test_a_device_in_conflict_can_be_offline_and_come_back(yard: Yard) -> None:
    conflicting(yard)
    assert yard.wait(20) == ["A offline"]
    assert yard.hear("A", "monstro/2") == ["A online"]
    assert yard.record("A").address == "monstro/1"


@pytest.mark.parametrize(
    ("others", "names"),
    [([], {"A": "monstro/2"}), (["B"], {"A": "monstro/2 (A)", "B": "monstro/2"})],
    ids=["alone", "taking the address from nobody"],
)
def test_a_conflict_of_which_nothing_is_heard_ends_where_the_device_was_last(
    yard: Yard, others: list[str], names: dict[str, str]
) -> None:
    conflicting(yard)
    for serial in others:
        yard.hear(serial, "monstro/2")
        yard.fleet.set_offline_after([f"datalogger/{serial}"], 1000)
    assert yard.wait(130) == ["A offline", "A conflict_ended", "A moved"]
    assert yard.names() == names


def test_a_second_conflict_needs_three_alternations_again(yard: Yard) -> None:
    conflicting(yard)
    yard.wait(1000)
    assert alternate(yard, 1, 2, 1) == [["A online", "A moved"], ["A moved"], ["A conflict"]]
    assert yard.name("A") == "monstro/2"


def test_a_conflict_survives_a_restart(yard: Yard) -> None:
    yard = conflicting(yard).restarted()
    assert yard.fleet.conflicts() == [yard.record("A")]
    yard.fleet.resume(yard.now)
    assert alternate(yard, *14 * [2]) == 14 * [[]]  # and fires no second time
    assert yard.hear("A", "monstro/2") == []
    assert yard.record("A").address == "monstro/1"
    assert yard.wait(10) == ["A conflict_ended", "A moved"]


def test_a_conflict_of_which_nothing_is_heard_after_a_restart_ends_where_it_was(yard: Yard) -> None:
    yard = conflicting(yard).restarted(listening=True)
    assert yard.wait(150) == ["A offline", "A conflict_ended"]
    assert yard.name("A") == "monstro/1"


@pytest.mark.parametrize("known_at_once", [True, False], ids=["connection lost", "blind loop"])
def test_a_conflict_stands_still_while_nothing_can_be_heard(yard: Yard, known_at_once: bool) -> None:
    conflicting(yard)
    if known_at_once:
        yard.deaf(10_000)
    else:
        yard.sleep(100)
        yard.fleet.interrupted(yard.now - 100, yard.now, yard.now)
    assert yard.wait(129) == ["A offline"]
    assert yard.wait(1) == ["A conflict_ended", "A moved"]


def test_removing_a_device_ends_its_conflict(yard: Yard) -> None:
    conflicting(yard)
    yard.wait(20)
    yard.fleet.remove("datalogger/A")
    assert yard.fleet.conflicts() == []
    assert yard.fleet.next_deadline() is None
    assert yard.wait(1000) == []
