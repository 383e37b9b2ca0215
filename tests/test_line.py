"""Whether the line to the broker is alive: what is asked of it, and what its answers mean."""

from __future__ import annotations

import pytest

from custom_components.site_devices.line import Line

OFFLINE_AFTER = 30.0


class Asked(Line):
    """A line that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__(self._count)
        self.asked = 0
        self.connected(0.0, patience=125.0)

    def _count(self) -> None:
        self.asked += 1


@pytest.fixture
def line() -> Asked:
    return Asked()


# Whether there is an echo at all


def test_the_first_message_of_a_connection_asks_for_an_echo(line: Asked) -> None:
    line.message(1)
    assert line.asked == 1
    line.echo(1.1)
    assert line.works
    line.message(11)
    assert line.asked == 1


def test_it_asks_again_with_later_messages_but_not_more_than_once_a_second(line: Asked) -> None:
    """The first may come before our subscription to the echo does."""
    for tenth in range(15):
        line.message(1 + tenth / 10)
    assert line.asked == 2


def test_it_gives_up_where_none_ever_comes_through(line: Asked) -> None:
    """A broker may even end the connection of whoever publishes where it must not."""
    for second in range(100):
        line.message(second)
        if second % 10 == 0:
            line.connected(second, patience=125.0)
    assert line.asked == 5
    assert not line.works
    assert line.look(130, OFFLINE_AFTER, 100) == 130
    assert line.look(130, OFFLINE_AFTER, 130) is None
    assert line.asked == 5


def test_a_new_connection_has_to_be_found_out_about_anew(line: Asked) -> None:
    line.message(1)
    line.echo(1.1)
    line.connected(50, patience=125.0)
    assert not line.works
    line.message(51)
    assert line.asked == 2


# When to look, and what for


def test_it_looks_when_a_third_of_a_deadline_is_left_and_a_second_before_it(line: Asked) -> None:
    line.message(0)
    line.echo(0)
    assert line.first_look(30, OFFLINE_AFTER) == 20
    assert line.look(30, OFFLINE_AFTER, 10) == 20
    line.message(19.5)
    assert line.look(30, OFFLINE_AFTER, 20) == 29
    line.message(28.5)
    assert line.look(30, OFFLINE_AFTER, 29) == 30
    assert line.look(30, OFFLINE_AFTER, 30) is None
    assert line.asked == 1


@pytest.mark.parametrize(("heard", "asked"), [(19, 0), (18.9, 1)])
def test_a_message_up_to_a_second_before_a_look_is_proof_enough(line: Asked, heard: float, asked: int) -> None:
    line.echo(0)
    line.message(heard)
    line.look(30, OFFLINE_AFTER, 20)
    assert line.asked == asked


def test_an_echo_is_proof_as_well(line: Asked) -> None:
    line.echo(0)
    assert line.look(30, OFFLINE_AFTER, 20) == 21
    line.echo(20.1)
    assert line.look(30, OFFLINE_AFTER, 21) == 29
    assert line.asked == 1


def test_without_an_echo_the_first_look_is_at_the_deadline(line: Asked) -> None:
    assert line.first_look(30, OFFLINE_AFTER) == 30


def test_while_it_waits_it_asks_only_once(line: Asked) -> None:
    line.echo(0)
    assert line.look(30, OFFLINE_AFTER, 20) == 21
    for second in range(21, 120):
        assert line.look(30, OFFLINE_AFTER, second) == second + 1
    assert line.asked == 1


# What an answer means


@pytest.mark.parametrize(("answered", "blind"), [(20.01, 0), (22, 0), (22.1, 20.1), (80, 78)])
def test_a_late_answer_means_that_nothing_came_through_since_the_last_message(
    line: Asked, answered: float, blind: float
) -> None:
    line.echo(0)
    line.message(2)
    line.look(30, OFFLINE_AFTER, 20)
    line.echo(answered)
    assert line.take_blindness() == pytest.approx(blind)
    assert line.take_blindness() == 0


def test_a_second_late_answer_in_the_same_silence_means_nothing_more(line: Asked) -> None:
    line.echo(0)
    line.look(30, OFFLINE_AFTER, 20)
    line.echo(25)
    assert line.take_blindness() == 25
    line.look(55, OFFLINE_AFTER, 54)
    line.echo(60)
    assert line.take_blindness() == 0


def test_what_a_new_connection_makes_void_is_forgotten(line: Asked) -> None:
    line.echo(0)
    line.look(30, OFFLINE_AFTER, 20)
    line.message(60)
    line.connected(61, patience=125.0)
    assert line.take_blindness() == 0


def test_an_answer_that_mqtt_itself_would_have_missed_by_now_never_comes(line: Asked) -> None:
    line.echo(0)
    line.look(30, OFFLINE_AFTER, 20)
    assert line.look(30, OFFLINE_AFTER, 144.9) is not None
    assert line.look(30, OFFLINE_AFTER, 145) is None
    assert not line.works
