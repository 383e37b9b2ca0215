"""Watch: nobody is called offline for the silence of the line, and nobody stays online because of it."""

from __future__ import annotations

import pytest

from ..slow_motion import Clockwork, SlowMotion, at

# The line: nobody is called offline for its silence


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


@pytest.mark.parametrize(("after", "offline"), [(0.02, 30), (0.5, 30), (0.9, 30), (1.8, 30.8)])
def test_an_answer_delays_by_what_it_takes_longer_than_a_second(
    loop: SlowMotion, proven: Clockwork, after: float, offline: float
) -> None:
    proven.answered_after = after
    loop.run(40)
    assert proven.offline == {"A": at(offline)}


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
