"""Ratios: series of one contestant and another, measured in turn, become ratios, and these a smallest, median and largest."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    """What was measured: the smallest, the median and the largest."""

    least: float
    median: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of values."""
    return Spread(min(values), median(values), max(values))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratio of each repetition.

    Raises:
        ValueError: They were not measured equally often.

    """
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def above(values: Sequence[float], base: float) -> list[float]:
    """Return by how much each repetition exceeds a base."""
    return [value - base for value in values]
