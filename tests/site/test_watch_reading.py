"""Watch: nobody is called offline before what had arrived was read, nor for a loop that was held."""

from __future__ import annotations

import pytest

from custom_components.site_devices.site.pacing import SLICE

from ..slow_motion import OFFLINE_AFTER, Clockwork, SlowMotion, at

QUIET_TURNS = 50  # after them, what had arrived has been read


# Nobody is called offline before what had arrived was read


@pytest.mark.parametrize(
    ("ours", "foreign"),
    [(0, 0), (1, 0), (200, 0), (3000, 0), (20, QUIET_TURNS - 1)],  # few are ours in the last
)
def test_a_heartbeat_that_had_arrived_by_the_deadline_counts(
    loop: SlowMotion, site: Clockwork, ours: int, foreign: int
) -> None:
    """Home Assistant's client reads one message in a turn, so the last of many waits for long."""
    site.beat("A")
    loop.run(29.99)
    others = foreign * [None]
    loop.socket.extend([None, *ours * [*others, lambda: site.beat("B")], *others, lambda: site.beat("A")])
    loop.run(0.02)
    assert not loop.socket
    assert not site.offline


def test_when_many_turns_brought_nothing_all_has_been_read(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29.99)
    loop.socket.extend([None, lambda: site.beat("B"), *(QUIET_TURNS + 1) * [None], lambda: site.beat("A")])
    loop.run(0.02)
    assert site.offline == {"A": at(30)}


def test_messages_without_end_put_a_deadline_off_for_one_second_also_what_falls_due_meanwhile(
    loop: SlowMotion, site: Clockwork
) -> None:
    def message() -> None:
        site.watch.messages += 1
        loop.hold(0.01)

    site.beat("A")
    loop.run(0.9)
    site.beat("B")
    loop.run(29.09)
    loop.socket.extend(500 * [message])
    loop.run(0.02)
    assert site.offline == {"A": pytest.approx(31, abs=0.03), "B": pytest.approx(31, abs=0.03)}


@pytest.mark.parametrize("right_after_the_timer", [True, False])
def test_what_falls_due_while_the_last_messages_are_read_gets_turns_of_its_own(
    loop: SlowMotion, site: Clockwork, right_after_the_timer: bool
) -> None:
    """Its heartbeat may have arrived while something else held the loop, and not have been read yet."""
    site.beat("A")
    if right_after_the_timer:
        loop.block(1.5, after=OFFLINE_AFTER)  # comes second in the turn of the timer
    loop.run(1)
    site.beat("B")
    loop.run(28.99)
    loop.socket.extend(QUIET_TURNS * [None])
    loop.socket.extend(3 * [None] if right_after_the_timer else [lambda: loop.hold(1.5), None])
    loop.socket.append(lambda: site.beat("B"))
    loop.run(0.02)
    assert site.offline == {"A": at(31.5)}


def test_what_falls_due_while_others_flip_gets_turns_of_its_own(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        if len(site.offline) == 1:
            loop.socket.extend([*5 * [None], lambda: site.beat("C")])

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B")
    loop.run(SLICE / 2)
    site.beat("C")
    loop.run(31)
    assert list(site.offline) == ["A", "B"]


# A blind loop


def test_a_timer_that_comes_late_gives_everybody_a_full_deadline_once(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(3)
    site.beat("B")
    loop.run(26)
    loop.block(5)  # from 29 to 34: the timer of A comes 4 s late
    loop.run(15)
    site.beat("B")  # 44
    loop.block(5, after=19.5)  # from 63.5 to 68.5: A has had its grace, and gets 4.5 s
    loop.run(80)
    assert site.offline == {"A": at(68.5), "B": at(98.5)}


def test_a_timer_up_to_two_seconds_late_moves_nothing(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(1)
    site.beat("B")
    loop.run(28)
    loop.block(3)  # from 29 to 32: exactly 2 s late
    loop.run(20)
    assert site.offline == {"A": at(32), "B": at(32)}


def test_who_has_had_its_grace_gets_as_much_time_as_the_loop_was_blind(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    site.fleet.set_offline_after(["gateway/B"], 32)
    loop.block(5, after=29)  # until 34: both get their grace, until 64 and 66
    loop.block(5, after=63.5)
    loop.run(80)
    assert site.offline == {"A": at(68.5), "B": at(70.5)}


def test_lateness_counts_from_the_arming_of_a_timer_that_is_overdue_by_then(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(20)
    site.beat("B")
    loop.run(5)
    site.fleet.set_site_offline_after(10)
    site.watch.async_arm()  # overdue for 15 s, and yet the loop has been reading all the time
    loop.run(20)
    assert site.offline == {"A": at(25), "B": at(30)}


@pytest.mark.parametrize("turn", [0, 1, 2, QUIET_TURNS])
def test_a_loop_that_is_blind_right_after_the_timer_or_in_the_turns_it_was_given_gives_everybody_a_full_deadline(
    loop: SlowMotion, site: Clockwork, turn: int
) -> None:
    site.beat("A")
    if turn == 0:
        loop.block(10, after=OFFLINE_AFTER)  # comes second in the turn of the timer
    loop.run(3)
    site.beat("B")
    loop.run(26.99)
    if turn > 0:
        loop.socket.extend([*turn * [None], lambda: loop.hold(10)])
    loop.run(60)
    assert site.offline == {"A": at(70), "B": at(70)}


def test_a_loop_that_is_blind_between_two_slices_gives_everybody_a_full_deadline(
    loop: SlowMotion, site: Clockwork
) -> None:
    site.flips_take(SLICE, after=2, then=lambda: loop.hold(10))
    site.beat("A", "B", "C")
    loop.run(3)
    site.beat("D")
    loop.run(80)
    assert list(site.offline) == ["A", "B", "C", "D"]
    assert site.offline["B"] == pytest.approx(30, abs=0.02)
    assert [site.offline["C"], site.offline["D"]] == pytest.approx([70, 70], abs=0.02)


def test_flips_that_take_long_are_no_blindness(loop: SlowMotion, site: Clockwork) -> None:
    """The loop reads between the slices, so what falls due meanwhile is due."""
    site.flips_take(0.1)
    site.beat(*map(str, range(50)))
    loop.run(1)
    site.beat("B")
    loop.run(40)
    assert site.offline["B"] == pytest.approx(35, abs=0.11)
