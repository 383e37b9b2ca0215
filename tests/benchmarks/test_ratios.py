"""Ratios are those of the same repetition, and a spread is all of them in three numbers."""

from __future__ import annotations

import pytest

from benchmarks.ratios import Spread, above, paired, spread


def test_a_spread_is_the_smallest_the_median_and_the_largest():
    assert spread([5.0, 1.0, 2.0, 9.0, 3.0]) == Spread(1.0, 3.0, 9.0)


def test_a_ratio_is_that_of_one_repetition_not_that_of_two_medians():
    # both became slower in the second repetition, as a busy machine makes them
    assert paired([2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == [2.0, 2.0, 3.0]


def test_what_lies_above_a_base_is_taken_repetition_by_repetition():
    assert above([5.0, 7.0], 2.0) == [3.0, 5.0]


def test_who_was_measured_less_often_is_not_compared():
    with pytest.raises(ValueError):
        paired([1.0, 2.0], [1.0])
