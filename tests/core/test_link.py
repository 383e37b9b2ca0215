"""Whether the line to the broker is alive: what is asked of it, and what its answers mean."""

from __future__ import annotations

import math

import pytest

from custom_components.site_devices.core.link import SILENT, Ask, Link, Verdict, Wait

OFFLINE_AFTER = 30.0
PATIENCE = 125.0


@pytest.fixture
def fresh() -> Link:
    """A line of which nobody knows yet whether an echo comes through."""
    line = Link()
    line.connected(0.0, PATIENCE)
    return line


@pytest.fixture
def line(fresh: Link) -> Link:
    """A line whose first echo came through."""
    fresh.echo(fresh.probe(0), 0)
    return fresh


def decide(line: Link, now: float, deadline: float = 30.0) -> Verdict:
    line.settle(now)
    return line.verdict(deadline, OFFLINE_AFTER, now)


def void(line: Link, now: float) -> None:
    """Ask for an echo that does not come, while a message does."""
    line.ask(now)
    line.message(now + 1)


# Whether there is an echo at all


def test_the_first_messages_of_a_connection_find_out_whether_an_echo_comes_through(fresh: Link) -> None:
    assert fresh.message(1)
    number = fresh.probe(1)
    assert not fresh.message(2)
    assert not fresh.message(3.9)
    assert fresh.message(4)  # one may get lost, and the first may come before we are subscribed to it
    fresh.echo(number, 4)
    assert fresh.works
    assert not fresh.message(100)


def test_where_three_in_a_row_do_not_come_through_it_gives_up(fresh: Link) -> None:
    for now in (1, 4, 7):
        assert fresh.message(now)
        fresh.probe(now)
    assert not fresh.message(10)
    assert decide(fresh, 30, deadline=30) is SILENT
    assert fresh.message(610)


def test_a_probe_leaves_no_doubt_however_late_its_echo_is(fresh: Link) -> None:
    """Nobody waits for it, so it says nothing about what was heard."""
    number = fresh.probe(1)
    assert decide(fresh, 1) == Wait(20)
    assert fresh.echo(number, 9) is None


def test_the_echo_of_a_probe_is_no_more_than_a_message_to_who_asked_later(fresh: Link) -> None:
    probe = fresh.probe(1)
    number = fresh.ask(20)
    fresh.echo(probe, 60)
    assert decide(fresh, 60) == Wait(62)
    assert fresh.echo(number, 60.1) == (0, 60)


def test_a_new_connection_has_to_be_found_out_about_anew(line: Link) -> None:
    line.connected(50, PATIENCE)
    assert not line.works
    assert line.message(51)


def test_three_asks_in_a_row_without_an_echo_mean_that_it_is_not_let_through(line: Link) -> None:
    for start in (10, 20):
        void(line, start)
        assert line.works
    void(line, 30)
    assert not line.works
    # silence is taken for real, and nothing is asked, for ten minutes
    assert not line.message(40)
    assert decide(line, 100, deadline=130) == Wait(130)
    assert decide(line, 130, deadline=130) is SILENT
    assert decide(line, 630.9, deadline=630.9) is SILENT
    assert decide(line, 631, deadline=631) == Ask(632)
    assert not line.message(630.9)
    assert line.message(631)
    assert line.decide_from(700, OFFLINE_AFTER) == 700
    void(line, 631)
    assert line.message(640)
    assert line.decide_from(700, OFFLINE_AFTER) == 690


@pytest.mark.parametrize("late", [0.1, 30])
def test_an_echo_in_between_begins_the_count_anew_however_late_it_is(line: Link, late: float) -> None:
    numbers = [line.ask(10)]
    line.message(11)
    void(line, 20)
    line.echo(numbers[0], 21 + late)
    void(line, 60)
    void(line, 70)
    assert line.works
    assert decide(line, 100, deadline=130) == Wait(120)


def test_an_echo_after_all_shows_that_it_is_let_through(line: Link) -> None:
    for start in (10, 20):
        void(line, start)
    number = line.ask(30)
    line.message(31)
    assert not line.works
    line.echo(number, 33)
    assert line.works
    assert decide(line, 125, deadline=130) == Ask(126)


def test_a_broker_that_ends_the_connection_of_who_publishes_is_asked_twice(fresh: Link) -> None:
    for start in (0, 10):
        assert fresh.message(start)
        fresh.probe(start)
        assert fresh.lost(start + 2) == start + 2
        fresh.connected(start + 5, PATIENCE)
    for now in (20, 10_000):
        assert not fresh.message(now)
        assert decide(fresh, now + 30, deadline=now + 30) is SILENT
        fresh.lost(now + 31)
        fresh.connected(now + 40, PATIENCE)


def test_to_give_the_echo_up_for_a_while_ends_no_ban_for_good(line: Link) -> None:
    line.ask(10)
    line.lost(11)
    line.connected(20, PATIENCE)
    void(line, 30)
    line.ask(40)
    line.lost(41)  # the second that was lost by asking, and the third void ask
    line.connected(50, PATIENCE)
    assert not line.message(10_000)


@pytest.mark.parametrize(("after", "echo", "asks"), [(2, False, False), (2.1, False, True), (2, True, True)])
def test_other_losses_forbid_nothing(fresh: Link, after: float, echo: bool, asks: bool) -> None:
    for start in (0, 10):
        fresh.probe(start)
        fresh.lost(start + after)
        fresh.connected(start + 5, PATIENCE)
        if echo:
            fresh.echo(fresh.probe(start + 6), start + 6)
    fresh.connected(20, PATIENCE)
    assert fresh.message(30) is asks


def test_an_echo_in_between_begins_the_count_of_losses_anew(fresh: Link) -> None:
    fresh.probe(0)
    fresh.lost(1)
    fresh.connected(5, PATIENCE)
    fresh.echo(fresh.probe(6), 6)
    fresh.probe(10)
    fresh.lost(11)
    fresh.connected(20, PATIENCE)
    assert fresh.message(30)


# When to look, and what for


def test_it_looks_when_a_third_of_a_deadline_is_left_and_a_second_before_it(line: Link) -> None:
    assert line.decide_from(30, OFFLINE_AFTER) == 20
    assert decide(line, 10) == Wait(20)
    line.message(19.5)
    assert decide(line, 20) == Wait(29)
    line.message(28.5)
    assert decide(line, 29) == Wait(30)
    assert decide(line, 30) is SILENT


@pytest.mark.parametrize(("heard", "step"), [(19, Wait(29)), (18.9, Ask(21))])
def test_a_message_up_to_a_second_before_a_look_is_proof_enough(line: Link, heard: float, step: Verdict) -> None:
    line.message(heard)
    assert decide(line, 20) == step


def test_an_echo_is_proof_as_well(line: Link) -> None:
    assert decide(line, 20) == Ask(21)
    number = line.ask(20)
    line.echo(number, 20.1)
    assert decide(line, 21) == Wait(29)


def test_it_asks_also_while_nobody_knows_whether_an_echo_comes_through(fresh: Link) -> None:
    assert decide(fresh, 20) == Ask(21)


def test_while_nothing_comes_it_asks_every_three_seconds_until_mqtt_would_have_noticed(line: Link) -> None:
    asked = []
    now = 20.0
    while (step := decide(line, now)) is not SILENT:
        if isinstance(step, Ask):
            asked.append(now)
            line.ask(now)
        else:
            assert isinstance(step, Wait)
            assert now < step.at <= now + 1
            now = step.at
    assert asked == [*range(20, 145, 3)]
    assert now == 20 + PATIENCE
    assert not line.works
    assert decide(line, 500, deadline=500) is SILENT
    assert decide(line, now + 599.9, deadline=now + 599.9) is SILENT
    assert decide(line, now + 600, deadline=now + 600) == Ask(now + 601)


def test_a_look_in_between_puts_the_next_ask_off_no_longer(line: Link) -> None:
    line.ask(20)
    assert decide(line, 22.5) == Wait(23)
    assert decide(line, 23) == Ask(24)


def test_one_lost_echo_delays_nothing(line: Link) -> None:
    for now in (20, 23):
        assert decide(line, now) == Ask(now + 1)
        number = line.ask(now)
    assert line.echo(number, 23.1) is None
    assert decide(line, 24) == Wait(29)


# What an answer means


@pytest.mark.parametrize(("answered", "blind"), [(20.01, None), (22, None), (22.1, (0, 22.1)), (80, (0, 80))])
def test_a_late_echo_means_that_nothing_came_through_since_the_last_sign_of_life(
    line: Link, answered: float, blind: tuple[float, float] | None
) -> None:
    assert line.echo(line.ask(20), answered) == blind


def test_a_message_in_time_proves_the_line_and_a_later_echo_is_slow(line: Link) -> None:
    number = line.ask(20)
    line.message(22)
    assert decide(line, 22) == Wait(29)
    assert line.echo(number, 28) is None


def test_an_echo_of_an_earlier_ask_that_a_message_answered_is_slow_as_well(line: Link) -> None:
    number = line.ask(10)
    line.message(11)
    line.ask(20)
    assert line.echo(number, 22.5) is None
    assert decide(line, 22.5) == Wait(24.5)
    assert decide(line, 24.5) == Wait(29)


@pytest.mark.parametrize(("echo", "blind"), [(25, (0, 23)), (24.9, (0, 23)), (25.1, None), (None, None)])
def test_after_a_late_message_only_an_echo_soon_after_it_proves_blindness(
    line: Link, echo: float | None, blind: tuple[float, float] | None
) -> None:
    number = line.ask(20)
    line.message(23)
    assert decide(line, 23) == decide(line, 24.9) == Wait(25)
    if echo is not None:
        assert line.echo(number, echo) == blind
    if not blind:
        # the ask is void, and the message is the proof
        assert decide(line, 25.2) == Wait(29)


@pytest.mark.parametrize("second", [24, 25])
def test_of_late_messages_the_first_is_the_one_that_an_echo_must_follow(line: Link, second: float) -> None:
    """Else one device that beats each second would put the end off again and again."""
    number = line.ask(20)
    line.message(23)
    line.message(second)
    assert decide(line, 24.9) == Wait(25)
    assert line.echo(number, 25) == (0, 23)


def test_a_message_long_after_a_late_one_makes_the_ask_void_before_anybody_looks(line: Link) -> None:
    for start in (10, 20):
        void(line, start)
    number = line.ask(30)
    for now in (33, 34):
        line.message(now)
    assert line.works
    line.message(35.1)
    assert not line.works
    assert line.echo(number, 35.1) is None


def test_a_message_never_proves_blindness_however_often_it_comes(line: Link) -> None:
    """The heartbeats of a live device do not keep a dead one online."""
    deadline = 30.0
    now = 0.0
    while now < deadline + 15:
        now += 1
        step = decide(line, now, deadline)
        if isinstance(step, Ask):
            line.ask(now)
        elif step is SILENT:
            break
        if now % 10 == 5:
            line.message(now)
    assert now <= deadline + 9


@pytest.mark.parametrize(
    ("before", "late", "blind"), [(2, 3, None), (1.9, 3, (20, 63)), (6, 3, None), (6, 9, None), (5.9, 9, (20, 69))]
)
def test_an_echo_two_thirds_as_late_as_the_one_before_is_slow(
    line: Link, before: float, late: float, blind: tuple[float, float] | None
) -> None:
    number = line.ask(10)
    line.message(10)
    line.echo(number, 10 + before)
    line.message(20)
    assert line.echo(line.ask(60), 60 + late) == blind


def test_of_the_echoes_of_a_thaw_only_the_first_shows_for_how_long_it_was_frozen(line: Link) -> None:
    numbers = [line.ask(now) for now in range(20, 60, 3)]
    assert [line.echo(number, 60) for number in numbers] == [(0, 60)] + [None] * (len(numbers) - 1)
    # and the next freeze is not taken for slowness
    assert line.echo(line.ask(80), 90) == (60, 90)


def test_what_a_new_connection_makes_void_is_forgotten(line: Link) -> None:
    other = line.ask(61)
    line.connected(62, PATIENCE)
    assert decide(line, 62, deadline=100) == Wait(90)
    line.echo(other, 63)
    assert not line.works


def test_an_echo_that_nobody_asked_for_says_nothing(line: Link) -> None:
    line.ask(20)
    line.echo(99, 22)
    assert decide(line, 22) == Wait(23)


def test_echoes_are_not_awaited_without_end(line: Link) -> None:
    numbers = [line.ask(now) for now in range(65)]
    assert line.echo(numbers[0], 100) is None
    assert line.echo(numbers[1], 100) == (0, 100)


# A lost connection


def test_a_connection_that_is_lost_while_an_ask_is_out_was_blind_since_its_last_sign_of_life(line: Link) -> None:
    line.message(7)
    line.ask(20)
    assert line.lost(100) == 7


@pytest.mark.parametrize(("lost", "since"), [(81, 7), (82, 7), (82.1, 82.1)])
def test_right_after_a_late_message_the_echo_may_have_been_on_its_way(line: Link, lost: float, since: float) -> None:
    line.message(7)
    line.ask(20)
    line.message(80)
    assert line.lost(lost) == since


@pytest.mark.parametrize("message", [21, 25])
def test_a_message_since_then_shows_that_it_was_not(line: Link, message: float) -> None:
    line.ask(20)
    line.message(message)
    assert line.lost(100) == 100


def test_a_line_that_is_lost_whenever_it_is_asked_is_blind_three_times_only(line: Link) -> None:
    """Else a dead device would stay online for as long as the line breaks again and again."""
    since = []
    for start in range(100, 500, 100):
        if decide(line, start + 20, deadline=start + 30) == Ask(start + 20 + 1):
            line.ask(start + 20)
        since.append(line.lost(start + 25))
        line.connected(start + 40, PATIENCE)
    assert since == [0, 140, 240, 425]
    assert math.isfinite(since[-1])
