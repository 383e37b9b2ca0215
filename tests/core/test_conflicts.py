"""Conflicts: one serial alive at two addresses."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import ChangeKind
from custom_components.site_devices.core.protocol import IgnoreReason

from .yard import Told, Yard

DISCOVERED = ChangeKind.DISCOVERED
ONLINE = ChangeKind.ONLINE
OFFLINE = ChangeKind.OFFLINE
MOVED = ChangeKind.MOVED
DESCRIBED = ChangeKind.DESCRIBED
CONFLICT = ChangeKind.CONFLICT
CONFLICT_ENDED = ChangeKind.CONFLICT_ENDED


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
