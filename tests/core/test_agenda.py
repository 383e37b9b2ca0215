"""Agenda: what is due first, whatever moves on unnoticed."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, strategies as st
import pytest

from custom_components.site_devices.core.agenda import Agenda

PUT_RIGHT = "custom_components.site_devices.core.agenda._MAX_CORRECTIONS"


class Times(dict[object, float | None]):
    """When each thing is due, and how often that was asked for."""

    asked = 0

    def due(self, thing: object) -> float | None:
        self.asked += 1
        return self[thing]

    def true_first(self) -> float | None:
        return min((time for time in self.values() if time is not None), default=None)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def agenda(times: Times) -> Agenda[object]:
    return Agenda(times.due)


def test_things_come_by_their_times(times: Times, agenda: Agenda[object]) -> None:
    times.update(zip("edacb", (5, 4, 1, 3, 2), strict=True))
    for thing in times:
        agenda.add(thing)
    come = []
    while first := agenda.first():
        come.append(first)
        times[first[1]] = None  # it is over
    assert come == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]


def test_a_thing_that_is_not_due_is_not_taken_in(times: Times, agenda: Agenda[object]) -> None:
    times["a"] = None
    agenda.add("a")
    times["a"] = 5
    assert agenda.first() is None
    agenda.add("a")
    assert agenda.first() == (5, "a")


def test_a_thing_is_in_it_once_and_can_come_again(times: Times, agenda: Agenda[object]) -> None:
    times["a"] = 5
    for _ in range(3):
        agenda.add("a")
        assert len(agenda._heap) == 1
    times["a"] = None
    assert agenda.first() is None
    times["a"] = 7
    agenda.add("a")
    assert agenda.first() == (7, "a")


def test_things_of_one_time_are_never_compared(times: Times, agenda: Agenda[object]) -> None:
    things = [object() for _ in range(10)]
    times.update(dict.fromkeys(things, 1.0))
    for thing in things:
        agenda.add(thing)
    times.update(dict.fromkeys(things, 2.0))
    first = agenda.first()
    assert first
    assert first[0] == 2


def test_what_has_not_moved_on_is_looked_at_once(times: Times, agenda: Agenda[object]) -> None:
    for number in range(100):
        times[number] = float(number)
        agenda.add(number)
    times.asked = 0
    assert agenda.first() == (0, 0)
    assert times.asked == 1


def test_of_thousands_that_moved_on_a_thousand_are_put_right_at_once(times: Times, agenda: Agenda[object]) -> None:
    for number in range(2500):
        times[number] = float(number)
        agenda.add(number)
    times.update({number: 10_000.0 + number for number in range(2500)})
    found = []
    for _ in range(3):
        times.asked = 0
        found.append(agenda.first())
        assert times.asked <= 1000
    assert found == [(1000, 1000), (2000, 2000), (10_000, 0)]  # too early, never too late


@pytest.mark.parametrize("over", [999, 1000, 1001])
def test_when_a_thousand_are_over_at_once_nothing_is_left(times: Times, agenda: Agenda[object], over: int) -> None:
    for number in range(over):
        times[number] = float(number)
        agenda.add(number)
    times.update(dict.fromkeys(range(over)))
    agenda.first()
    assert agenda.first() is None


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "later", "over", "look", "clear"]), st.integers(0, 9), st.integers(0, 20))
)


@given(STEPS, st.sampled_from([1, 2, 3, 1000]))
def test_the_first_is_never_too_late_and_is_found_in_the_end(
    steps: Sequence[tuple[str, int, int]], at_once: int
) -> None:
    times = Times(dict.fromkeys(range(10)))
    latest = dict.fromkeys(range(10), 0.0)  # a thing that comes again is not due before it was
    agenda = Agenda(times.due)

    def look() -> float | None:
        first = agenda.first()
        true_first = times.true_first()
        assert true_first is None or (first and first[0] <= true_first)
        things = [thing for _, _, thing in agenda._heap]
        assert len(set(things)) == len(things)
        return first[0] if first else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PUT_RIGHT, at_once)
        for what, thing, later in steps:
            if what == "add" or (what == "later" and times[thing] is not None):
                latest[thing] = times[thing] = latest[thing] + later
                agenda.add(thing)
            elif what == "over":
                times[thing] = None
            elif what == "clear":
                agenda.clear()
                times.update(dict.fromkeys(times))
                latest = dict.fromkeys(range(10), 0.0)
            look()
        for _ in range(20):
            found = look()
    assert found == times.true_first()
