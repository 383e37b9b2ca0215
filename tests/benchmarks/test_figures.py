"""The figures take the right series, and tell whether the target is reached."""

from __future__ import annotations

import pytest

from benchmarks.figures import FIGURES, Figure, Spread, paired, spread


def figure(title: str) -> Figure:
    (found,) = (figure for figure in FIGURES if figure.title.startswith(title))
    return found


def test_a_heartbeat_is_compared_with_the_floor_of_its_size():
    series = {"heartbeat/ours/1000": [3.0], "heartbeat/floor_b/1000": [2.0], "heartbeat/floor_b/9900": [1.0]}
    assert figure("heartbeat, 1,000 devices / JSON").of(series) == [1.5]


def test_growth_is_the_ratio_of_the_large_fleet_to_that_of_the_small():
    series = {
        "heartbeat/ours/100": [3.0],
        "heartbeat/floor_b/100": [2.0],
        "heartbeat/ours/9900": [9.0],
        "heartbeat/floor_b/9900": [3.0],
    }
    assert figure("growth of heartbeat / JSON floor").of(series) == [2.0]


def test_memory_is_what_comes_on_top_of_a_subscriber_that_does_nothing():
    series = {"memory/ours/9900": [150.0], "memory/core_expire_after/9900": [200.0], "memory/floor_a/9900": [100.0]}
    assert figure("memory").of(series) == [0.5]


def test_seconds_become_milliseconds():
    assert figure("9,900 silent at once: longest").of({"silence_stall/ours/9900": [0.025]}) == [25.0]


@pytest.mark.parametrize(
    ("title", "good", "bad"),
    [("heartbeat, 1,000 devices / JSON", 2.0, 2.01), ("over a real Mosquitto", 0.9, 0.89)],
)
def test_the_target_itself_is_reached(title, good, bad):
    assert figure(title).reached(good)
    assert not figure(title).reached(bad)


def test_a_spread_is_the_smallest_the_median_and_the_largest():
    assert spread([5.0, 1.0, 2.0, 9.0, 3.0]) == Spread(1.0, 3.0, 9.0)


def test_a_ratio_is_that_of_one_repetition_not_that_of_two_medians():
    # both became slower in the second repetition, as a busy machine makes them
    assert paired([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == [2.0, 2.0, 3.0]


def test_who_was_measured_less_often_is_not_compared():
    with pytest.raises(ValueError):
        paired([1.0, 2.0], [1.0])
