"""The load of a fleet is even, and no device is late by more than its jitter."""

from itertools import pairwise
from random import Random

import pytest

from simulator.schedule import Schedule


def run(schedule: Schedule, until: float) -> list[tuple[float, int]]:
    """Every turn up to a time, as (when, who)."""
    turns = []
    while (due := schedule.next_due()) is not None and due <= until:
        index = schedule.take_due(due)
        assert index is not None
        turns.append((due, index))
    return turns


def make(count: int, *, interval: float = 10, jitter: float = 0.1, seed: int = 1) -> Schedule:
    return Schedule(count, start=100, interval=interval, jitter=jitter, chance=Random(seed))


def test_turns_are_spread_evenly() -> None:
    turns = run(make(1000), until=160)
    for second in range(102, 158):  # the first and last second lack what jitter moves in and out
        assert 80 <= sum(second <= when < second + 1 for when, _ in turns) <= 120


@pytest.mark.parametrize("jitter", [0, 0.1, 1])
def test_a_device_is_late_by_its_jitter_at_most(jitter: float) -> None:
    turns = run(make(7, jitter=jitter), until=1000)
    for index in range(7):
        own = [when for when, who in turns if who == index]
        assert len(own) >= 88
        gaps = [later - earlier for earlier, later in pairwise(own)]
        assert max(gaps) <= 10 * (1 + jitter) + 1e-6
        assert min(gaps) >= 10 * (1 - jitter) - 1e-6


def test_the_same_seed_gives_the_same_turns() -> None:
    assert run(make(5), until=200) == run(make(5), until=200) != run(make(5, seed=2), until=200)


def test_nothing_is_due_too_early() -> None:
    schedule = make(1, jitter=0)
    assert schedule.take_due(99.9) is None
    assert schedule.take_due(100) == 0
    assert schedule.take_due(109.9) is None


def test_a_stall_is_not_caught_up_in_a_burst() -> None:
    schedule = make(10, jitter=0)
    run(schedule, until=120)
    burst = 0
    while schedule.take_due(1000) is not None:
        burst += 1
    assert burst == 10
    assert schedule.next_due() == pytest.approx(1001, abs=1)


def test_no_devices_no_turns() -> None:
    schedule = make(0)
    assert schedule.next_due() is None
    assert schedule.take_due(1e9) is None


@pytest.mark.parametrize(("interval", "jitter"), [(0, 0.1), (-1, 0.1), (10, -0.1), (10, 1.1)])
def test_nonsense_is_refused(interval: float, jitter: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        make(1, interval=interval, jitter=jitter)
