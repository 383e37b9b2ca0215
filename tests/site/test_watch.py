"""The one timer of a site, in an event loop whose clock moves only when the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from itertools import pairwise
import time
from typing import Any

import pytest

from custom_components.site_devices.site.pacing import SLICE

from .. import until
from ..slow_motion import OFFLINE_AFTER, Clockwork, SlowMotion

QUIET_TURNS = 50  # after them, what had arrived has been read


@pytest.fixture
def loop() -> Generator[SlowMotion]:
    loop = SlowMotion()
    yield loop
    loop.close()


def without_echo(loop: asyncio.AbstractEventLoop, offline_after: float = OFFLINE_AFTER) -> Clockwork:
    """Return a site whose broker ends the connection of who publishes: silence is silence at its deadline."""
    site = Clockwork(loop, offline_after)
    for _ in range(2):
        site.watch.link.ask(loop.time())
        site.watch.link.lost(loop.time())
        site.watch.link.connected(loop.time(), noticed_within=125.0)
    return site


@pytest.fixture
def site(loop: SlowMotion) -> Clockwork:
    return without_echo(loop)


def at(seconds: float) -> Any:
    """Return a time to compare with."""
    return pytest.approx(seconds, abs=0.001)


# When


def test_a_device_is_offline_at_its_deadline(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29.99)
    assert not site.offline
    loop.run(0.02)
    assert site.offline == {"A": at(30)}


def test_each_heartbeat_gives_a_full_deadline(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    loop.run(20)
    site.beat("A")
    loop.run(20)
    assert site.offline == {"B": at(30)}
    loop.run(20)
    assert site.offline == {"B": at(30), "A": at(50)}


def test_one_timer_serves_all_and_stands_at_the_oldest(loop: SlowMotion, site: Clockwork) -> None:
    for number in range(500):
        loop.run(0.01)
        site.beat(str(number))
    assert loop.timers() == [at(1000.01 + OFFLINE_AFTER)]


def test_a_heartbeat_leaves_the_timer_alone(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    armed = loop.timers()
    loop.run(10)
    site.beat("A", "B")
    assert loop.timers() == armed


def test_without_anybody_online_nothing_is_armed(loop: SlowMotion, site: Clockwork) -> None:
    site.watch.async_arm()
    assert loop.timers() == []
    site.beat("A")
    loop.run(40)
    assert site.offline
    assert loop.timers() == []
    site.echo()
    assert loop.timers() == []
    assert not loop._ready


def test_a_shorter_deadline_of_a_newcomer_goes_first(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A", "B")
    loop.run(40)
    site.fleet.set_offline_after(["gateway/B"], 5)
    site.offline.clear()
    site.beat("A")
    site.beat("B")
    assert loop.timers() == [at(1045)]
    loop.run(6)
    assert site.offline == {"B": at(45)}
    assert loop.timers() == [at(1070)]


def test_a_longer_deadline_of_a_newcomer_waits(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(10)
    site.beat("B")
    assert loop.timers() == [at(1030)]


def test_a_shortened_deadline_flips_at_once_all_that_are_overdue_by_it(loop: SlowMotion, site: Clockwork) -> None:
    for serial in "ABC":
        site.beat(serial)
        loop.run(8)
    site.fleet.set_site_offline_after(10)
    site.watch.async_arm()
    loop.run()
    assert site.offline == {"A": at(24), "B": at(24)}
    loop.run(3)
    assert site.offline == {"A": at(24), "B": at(24), "C": at(26)}


def test_a_lengthened_deadline_counts_from_the_last_heartbeat(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(20)
    site.fleet.set_site_offline_after(60)
    site.watch.async_arm()
    loop.run(100)
    assert site.offline == {"A": at(60)}


def test_who_was_never_heard_again_after_a_pause_gets_one_full_deadline(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29)
    site.watch.async_pause(loop.time())
    assert loop.timers() == []
    loop.run(1000)
    assert not site.offline
    site.watch.async_resume(loop.time())
    loop.run(100)
    assert site.offline == {"A": at(1029 + OFFLINE_AFTER)}


def test_who_comes_after_a_pause_that_nobody_outlived_gets_a_timer(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    site.watch.async_pause(loop.time())
    site.fleet.remove("gateway/A")
    loop.run(10)
    site.watch.async_resume(loop.time())
    site.beat("B")
    loop.run(100)
    assert site.offline == {"B": at(40)}


# Nobody is called offline before what had arrived was read


@pytest.mark.parametrize("others", [0, 1, 200, 3000])
def test_a_heartbeat_that_had_arrived_by_the_deadline_counts(loop: SlowMotion, site: Clockwork, others: int) -> None:
    """Home Assistant's client reads one message in a turn, so the last of many waits for long."""
    site.beat("A")
    loop.run(29.99)
    loop.socket.extend([None, *others * [lambda: site.beat("B")], lambda: site.beat("A")])
    loop.run(0.02)
    assert not loop.socket
    assert not site.offline


def test_a_queue_in_which_few_are_ours_is_read_to_its_end_as_well(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29.99)
    foreign = [None] * (QUIET_TURNS - 1)
    loop.socket.extend([None, *20 * [*foreign, lambda: site.beat("B")], *foreign, lambda: site.beat("A")])
    loop.run(0.02)
    assert not loop.socket
    assert not site.offline


def test_when_many_turns_brought_nothing_all_has_been_read(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29.99)
    loop.socket.extend([None, lambda: site.beat("B"), *(QUIET_TURNS + 1) * [None], lambda: site.beat("A")])
    loop.run(0.02)
    assert site.offline == {"A": at(30)}


def test_messages_without_end_put_a_deadline_off_for_one_second(loop: SlowMotion, site: Clockwork) -> None:
    def message() -> None:
        site.watch.messages += 1
        loop.hold(0.01)

    site.beat("A")
    loop.run(29.99)
    loop.socket.extend(500 * [message])
    loop.run(0.02)
    assert site.offline == {"A": pytest.approx(31, abs=0.03)}


def test_what_falls_due_while_messages_are_read_is_not_put_off_for_longer(loop: SlowMotion, site: Clockwork) -> None:
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


def test_a_loop_that_is_blind_right_after_the_timer_gives_everybody_a_full_deadline(
    loop: SlowMotion, site: Clockwork
) -> None:
    site.beat("A")
    loop.block(10, after=OFFLINE_AFTER)  # comes second in the turn of the timer
    loop.run(3)
    site.beat("B")
    loop.run(80)
    assert site.offline == {"A": at(70), "B": at(70)}


@pytest.mark.parametrize("turn", [1, 2, QUIET_TURNS])
def test_a_loop_that_is_blind_in_the_very_turns_it_was_given_gives_everybody_a_full_deadline(
    loop: SlowMotion, site: Clockwork, turn: int
) -> None:
    site.beat("A")
    loop.run(3)
    site.beat("B")
    loop.run(26.99)
    loop.socket.extend([*turn * [None], lambda: loop.hold(10)])
    loop.run(60)
    assert site.offline == {"A": at(70), "B": at(70)}


def test_a_loop_that_is_blind_between_two_slices_gives_everybody_a_full_deadline(
    loop: SlowMotion, site: Clockwork
) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        if len(site.offline) == 2:
            loop.call_soon(loop.hold, 10)

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C")
    loop.run(3)
    site.beat("D")
    loop.run(80)
    assert list(site.offline) == ["A", "B", "C", "D"]
    assert site.offline["B"] == pytest.approx(30, abs=0.02)
    assert [site.offline["C"], site.offline["D"]] == pytest.approx([70, 70], abs=0.02)


def test_flips_that_take_long_are_no_blindness(loop: SlowMotion, site: Clockwork) -> None:
    """The loop reads between the slices, so what falls due meanwhile is due."""

    def slow() -> None:
        loop.now += 0.1

    site.when_one_flips = slow
    site.beat(*map(str, range(50)))
    loop.run(1)
    site.beat("B")
    loop.run(40)
    assert site.offline["B"] == pytest.approx(35, abs=0.11)


# Many at once


def test_many_that_are_due_at_once_flip_in_slices(loop: SlowMotion, site: Clockwork) -> None:
    flipped_by_turn: list[int] = []

    def one_takes_a_millisecond() -> None:
        loop.now += 0.001

    def watch() -> None:
        flipped_by_turn.append(len(site.offline))
        if len(site.offline) < 100:
            loop.call_soon(watch)

    site.when_one_flips = one_takes_a_millisecond
    site.beat(*map(str, range(100)))
    loop.run(29.99)
    loop.call_later(0.01, watch)
    loop.run(0.02)
    assert len(site.offline) == 100
    in_one_turn = [after - before for before, after in pairwise(flipped_by_turn)]
    assert max(in_one_turn) == pytest.approx(SLICE / 0.001, abs=1)
    assert max(site.offline.values()) == pytest.approx(30.1, abs=0.01)  # nothing is waited for in between


def test_who_is_heard_between_two_slices_stays_online(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        if len(site.offline) == 1:
            loop.call_soon(site.beat, "C")

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C", "D")
    loop.run(31)
    assert list(site.offline) == ["A", "B", "D"]
    loop.run(30)
    assert site.offline["C"] == pytest.approx(60, abs=0.02)


def test_a_pause_between_two_slices_keeps_the_rest_online(loop: SlowMotion, site: Clockwork) -> None:
    def connection_lost() -> None:
        site.watch.async_pause(loop.time())

    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        if len(site.offline) == 2:
            loop.call_soon(connection_lost)

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C", "D")
    loop.run(100)
    assert list(site.offline) == ["A", "B"]
    assert loop.timers() == []


def test_who_comes_while_others_flip_arms_no_second_timer(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        site.beat(f"new {len(site.offline)}")
        armed.append(loop.timers())

    armed: list[list[float]] = []
    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C")
    loop.run(31)
    assert list(site.offline) == ["A", "B", "C"]
    assert armed == [[], [], []]
    assert loop.timers() == [at(1060 + SLICE)]


# The line: nobody is called offline for its silence


@pytest.fixture
def proven(loop: SlowMotion) -> Clockwork:
    """A site whose first echo came through; whether further ones do is up to the test."""
    site = Clockwork(loop)
    site.beat("A")
    site.echo()
    site.asked.clear()
    return site


def test_who_comes_is_looked_at_before_its_deadline_though_the_timer_stands_earlier_than_that(
    loop: SlowMotion, proven: Clockwork
) -> None:
    proven.answered_after = 0.0
    proven.beat("B")
    proven.fleet.set_offline_after(["gateway/B"], 12)
    proven.watch.async_arm()
    loop.run(12.5)
    assert proven.offline == {"B": at(12)}
    assert loop.timers() == [at(1020)]  # the first look before the deadline of A
    proven.beat("B")  # until 24.5
    assert loop.timers() == [at(1014.5)]


def test_silence_over_a_line_that_answers_is_offline_at_its_deadline(loop: SlowMotion, proven: Clockwork) -> None:
    proven.answered_after = 0.0
    loop.run(29.99)
    assert not proven.offline
    loop.run(0.02)
    assert proven.offline == {"A": at(30)}
    assert proven.asked == [at(20), at(29)]


@pytest.mark.parametrize(("held_from", "length", "offline"), [(19, 5, 30), (28.5, 3, 31.5)])
def test_a_look_that_comes_late_moves_nothing_before_the_deadline_is_over_as_well(
    loop: SlowMotion, proven: Clockwork, held_from: float, length: float, offline: float
) -> None:
    proven.answered_after = 0.0
    loop.block(length, after=held_from)
    loop.run(80)
    assert proven.offline == {"A": at(offline)}


@pytest.mark.parametrize("after", [0.02, 0.5, 0.9])
def test_an_answer_that_takes_up_to_a_second_delays_nothing(loop: SlowMotion, proven: Clockwork, after: float) -> None:
    proven.answered_after = after
    loop.run(40)
    assert proven.offline == {"A": at(30)}


def test_an_answer_that_takes_longer_delays_by_what_it_takes_longer(loop: SlowMotion, proven: Clockwork) -> None:
    proven.answered_after = 1.8
    loop.run(40)
    assert proven.offline == {"A": at(30.8)}


def test_a_line_that_is_slow_for_good_hides_no_silence(loop: SlowMotion, proven: Clockwork) -> None:
    """Once it is taken for blind, and that is that, for as long as nobody is heard."""
    proven.answered_after = 3
    loop.run(300)
    assert 30 <= proven.offline["A"] <= 30 + 23 + 2


def test_a_fleet_that_beats_asks_for_nothing(loop: SlowMotion, proven: Clockwork) -> None:
    for _ in range(60):
        loop.run(10)
        proven.beat("A", "B")
    assert proven.asked == []


def test_one_that_is_silent_while_others_beat_needs_no_echo(loop: SlowMotion, proven: Clockwork) -> None:
    for _ in range(40):
        loop.run(0.9)
        proven.beat("B")
    assert proven.offline == {"A": at(30)}
    assert proven.asked == []


def test_of_a_fleet_that_falls_silent_one_echo_a_second_is_asked_for_at_most(
    loop: SlowMotion, proven: Clockwork
) -> None:
    proven.answered_after = 0.001
    for number in range(1000):
        loop.run(0.01)
        proven.beat(str(number))
    loop.run(60)
    delays = {proven.offline[str(number)] - (number + 1) * 0.01 - 30 for number in range(1000)}
    assert max(delays) < 0.02
    assert 2 <= len(proven.asked) <= 15


def test_while_the_line_is_frozen_nobody_is_offline_and_what_was_sent_meanwhile_counts(
    loop: SlowMotion, proven: Clockwork
) -> None:
    first = proven.number + 1
    proven.beat("B", "C")
    loop.run(5)
    proven.beat("B")
    loop.run(60)
    assert not proven.offline
    assert proven.asked == [at(seconds) for seconds in range(20, 66, 3)]
    proven.answered_after = 0.0
    proven.echo(first)  # the broker is back, and sends what it has, one after the other
    loop.run(0.5)
    proven.beat("A", "B")
    loop.run(60)
    assert proven.offline == {"A": at(95.5), "B": at(95.5), "C": at(95)}


def test_a_message_without_an_echo_soon_after_is_the_proof(loop: SlowMotion, proven: Clockwork) -> None:
    proven.beat("B")
    loop.run(60)
    proven.beat("B")
    loop.run(60)
    assert proven.offline["A"] == at(62)


def test_a_short_freeze_that_ends_before_any_deadline_gives_a_full_one(loop: SlowMotion, proven: Clockwork) -> None:
    """Devices may have to connect again before they are heard."""
    first = proven.number + 1
    loop.run(25)
    proven.answered_after = 0.0
    proven.echo(first)
    loop.run(29.9)
    assert not proven.offline
    loop.run(0.2)
    assert proven.offline == {"A": at(55)}


def test_a_lost_connection_ends_the_wait(loop: SlowMotion, proven: Clockwork) -> None:
    loop.run(60)
    proven.watch.async_pause(proven.watch.async_lost())
    assert loop.timers() == []
    loop.run(60)
    proven.answered_after = 0.0
    proven.watch.async_resume(proven.watch.async_connected(125.0))
    loop.run(60)
    assert proven.offline == {"A": at(150)}


def test_an_echo_that_is_no_longer_let_through_is_waited_for_as_long_as_mqtt_waits(
    loop: SlowMotion, proven: Clockwork
) -> None:
    loop.run(300)
    assert proven.offline == {"A": at(20 + 125)}
    assert not proven.watch.link.works


# A live device keeps no dead one online


@pytest.mark.parametrize("every", [5, 8, 10, 25])
@pytest.mark.parametrize("echo", [None, 3.0, 10.0])
def test_a_dead_device_is_offline_beside_a_live_one_whatever_becomes_of_the_echo(
    loop: SlowMotion, proven: Clockwork, every: int, echo: float | None
) -> None:
    proven.answered_after = echo
    for _ in range(40):
        loop.run(every)
        proven.beat("B")
    assert list(proven.offline) == ["A"]
    assert 30 <= proven.offline["A"] <= 60 + every + 4


def test_one_lost_echo_delays_nothing(loop: SlowMotion, proven: Clockwork) -> None:
    loop.run(21)
    proven.answered_after = 0.0
    loop.run(40)
    assert proven.offline == {"A": at(30)}


# Whatever fails


def test_a_failure_is_logged_once_and_the_timer_goes_on(
    loop: SlowMotion, site: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise KeyError

    site.when_one_flips = fail
    site.beat("A", "B", "C")
    loop.run(10)
    site.beat("D")
    loop.run(31)
    assert site.offline == {"A": at(30), "B": at(31), "C": at(32), "D": at(40)}
    assert len(caplog.records) == 1


def test_a_timer_that_stands_still_is_started_again_and_that_is_said_once(
    loop: SlowMotion, site: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    for began in (0, 100):
        site.beat("A")
        site.watch._cancel()  # as nothing should
        for seconds in (20, 14.9):
            loop.run(seconds)
            site.watch.async_check()
            loop.run()
            assert not site.offline
        loop.run(0.2)
        site.watch.async_check()
        loop.run()
        assert site.offline.pop("A") == at(began + 35.1)
        loop.run(64.9)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("stands_in", "offline"), [(10, 36), (4.9, 40.9)])
def test_a_timer_that_stands_too_late_is_started_again_as_well(
    loop: SlowMotion, site: Clockwork, stands_in: float, offline: float
) -> None:
    site.beat("A")
    site.watch._cancel()
    loop.run(36)
    site.watch._wake_at(loop.time() + stands_in, loop.time() + stands_in)  # as nothing should
    site.watch.async_check()
    loop.run(20)
    assert site.offline == {"A": at(offline)}


def test_what_may_put_a_deadline_off_is_no_standstill(
    loop: SlowMotion, proven: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(14):
        loop.run(10)
        proven.watch.async_check()
    assert not proven.offline
    assert not caplog.records


def test_flips_that_take_long_are_no_standstill(
    loop: SlowMotion, site: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    def slow() -> None:
        loop.now += 1
        site.watch.async_check()

    site.when_one_flips = slow
    site.beat(*"ABCDEFGHIJ")
    loop.run(60)
    assert len(site.offline) == 10
    assert not caplog.records


def test_a_late_timer_is_noticed_by_whatever_arms_it_again(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.run(29)
    loop.now += 5
    site.watch.async_arm()  # before the loop comes to its timer
    loop.run(40)
    assert site.offline == {"A": at(64)}


def test_short_deadlines_wait_for_the_line_as_well(loop: SlowMotion) -> None:
    site = Clockwork(loop, offline_after=5)
    site.beat("A")
    site.echo()
    first = site.number + 1
    loop.run(60)
    assert not site.offline
    site.answered_after = 0.0
    site.echo(first)
    site.beat("A")
    loop.run(10)
    assert site.offline == {"A": at(65)}


def test_there_is_one_timer_while_an_answer_is_waited_for(loop: SlowMotion, proven: Clockwork) -> None:
    for _ in range(50):
        loop.run(1)
        assert len(loop.timers()) == 1
    proven.watch.async_stop()
    assert loop.timers() == []


def test_an_echo_while_others_flip_disturbs_nobody(loop: SlowMotion, site: Clockwork) -> None:
    site.when_one_flips = site.echo
    site.beat("A", "B")
    loop.run(40)
    assert site.offline == {"A": at(30), "B": at(30)}


def test_an_echo_while_others_flip_does_not_let_them_flip_after_the_end(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        site.echo()
        loop.call_soon(site.watch.async_stop)

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C")
    loop.run(100)
    assert list(site.offline) == ["A"]


# The end


def test_a_stopped_timer_wakes_no_more(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    site.watch.async_stop()
    assert loop.timers() == []
    loop.run(100)
    assert not site.offline


def test_stopped_right_after_the_timer_it_flips_nobody(loop: SlowMotion, site: Clockwork) -> None:
    site.beat("A")
    loop.call_later(OFFLINE_AFTER, site.watch.async_stop)  # comes second in the turn of the timer
    loop.run(100)
    assert not site.offline


@pytest.mark.parametrize("turn", [1, QUIET_TURNS])
def test_stopped_in_the_turns_before_a_flip_it_flips_nobody(loop: SlowMotion, site: Clockwork, turn: int) -> None:
    site.beat("A")
    loop.run(29.99)
    loop.socket.extend([*turn * [None], site.watch.async_stop])
    loop.run(100)
    assert not loop.socket
    assert not site.offline


def test_stopped_between_two_slices_it_flips_nobody_more(loop: SlowMotion, site: Clockwork) -> None:
    def one_takes_a_whole_slice() -> None:
        loop.now += SLICE
        loop.call_soon(site.watch.async_stop)

    site.when_one_flips = one_takes_a_whole_slice
    site.beat("A", "B", "C")
    loop.run(100)
    assert list(site.offline) == ["A"]
    assert loop.timers() == []


# A real loop


async def test_a_flood_on_a_real_loop_is_read_before_anybody_flips() -> None:
    """The heartbeat that keeps a device alive stands at the end of a long queue."""
    site = without_echo(asyncio.get_running_loop(), offline_after=0.2)
    site.beat("A", "B")
    overdue_for = 0
    while overdue_for < 50:
        site.watch.messages += 1
        overdue_for += site.loop.time() > site.began + 0.2
        await asyncio.sleep(0)
    assert not site.offline
    site.beat("A")
    await until(lambda: "B" in site.offline)
    assert "A" not in site.offline
    await until(lambda: "A" in site.offline)
    site.watch.async_stop()


async def test_an_endless_flood_on_a_real_loop_hides_no_silence() -> None:
    site = without_echo(asyncio.get_running_loop(), offline_after=0.1)
    site.beat("A")
    while not site.offline:
        site.watch.messages += 1
        assert time.monotonic() < site.began + 20
        await asyncio.sleep(0)
    assert site.offline["A"] > 1.1
    site.watch.async_stop()


async def test_the_largest_site_due_at_once_flips_whole_while_others_get_their_turns() -> None:
    loop = asyncio.get_running_loop()
    site = without_echo(loop, offline_after=0.5)
    site.beat(*map(str, range(9900)))
    site.when_one_flips = lambda: time.sleep(0.00002)  # about what a state write takes
    turns: list[int] = []
    while len(site.offline) < 9900:
        assert time.monotonic() < site.began + 20
        turns.append(len(site.offline))
        await asyncio.sleep(0)
    interrupted = {flipped for flipped in turns if flipped}
    assert len(interrupted) > 20
    site.watch.async_stop()
