"""Figures: what the series say, and what they should. The one list of targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

type Numbers = Sequence[float]
type AllSeries = Mapping[str, Numbers]


class Spread(NamedTuple):
    """What was measured: the smallest, the median and the largest."""

    least: float
    median: float
    most: float


def spread(values: Numbers) -> Spread:
    """Return the spread of values."""
    return Spread(min(values), median(values), max(values))


def paired(ours: Numbers, theirs: Numbers) -> Numbers:
    """Return the ratio of each repetition.

    Raises:
        ValueError: They were not measured equally often.

    """
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    title: str
    target: float  # of the median
    of: Callable[[AllSeries], Numbers]  # raises KeyError where its row was not measured
    form: str  # how a value is written
    at_least: bool = False  # the target is the least, not the most

    def reached(self, median: float) -> bool:
        """Tell whether a median is as good as the target."""
        return median >= self.target if self.at_least else median <= self.target


def _ratio(measure: str, theirs: str, size: int, ours: str = "ours") -> Callable[[AllSeries], Numbers]:
    return lambda series: paired(series[f"{measure}/{ours}/{size}"], series[f"{measure}/{theirs}/{size}"])


def _ours(measure: str, size: int) -> Callable[[AllSeries], Numbers]:
    return lambda series: series[f"{measure}/ours/{size}"]


def _growth(theirs: str) -> Callable[[AllSeries], Numbers]:
    small, large = (_ratio("heartbeat", theirs, size) for size in (100, 9_900))
    return lambda series: paired(large(series), small(series))


def _memory(series: AllSeries) -> Numbers:
    ours, core, (base,) = (series[f"memory/{name}/9900"] for name in ("ours", "core_expire_after", "floor_a"))
    return paired([value - base for value in ours], [value - base for value in core])


_RATIO: Final = "{:.2f}"
_MS: Final = "{:.0f} ms"


def _in_ms(of: Callable[[AllSeries], Numbers]) -> Callable[[AllSeries], Numbers]:
    return lambda series: [1000 * value for value in of(series)]


FIGURES: Final = (
    Figure("heartbeat, 1,000 devices / JSON floor", 2.0, _ratio("heartbeat", "floor_b", 1_000), _RATIO),
    Figure("heartbeat, 9,900 devices / JSON floor", 2.5, _ratio("heartbeat", "floor_b", 9_900), _RATIO),
    Figure(
        "heartbeat, 1,000 devices / core `expire_after`", 0.15, _ratio("heartbeat", "core_expire_after", 1_000), _RATIO
    ),
    Figure(
        "heartbeat, 9,900 devices / core `expire_after`", 0.15, _ratio("heartbeat", "core_expire_after", 9_900), _RATIO
    ),
    Figure("growth of heartbeat / JSON floor, 100 → 9,900 devices", 1.5, _growth("floor_b"), _RATIO),
    Figure("growth of heartbeat / core `expire_after`, 100 → 9,900 devices", 1.5, _growth("core_expire_after"), _RATIO),
    Figure("9,900 silent at once: longest stall of the loop", 30, _in_ms(_ours("silence_stall", 9_900)), _MS),
    Figure("9,900 silent at once: until all are off", 400, _in_ms(_ours("silence_seconds", 9_900)), _MS),
    Figure("the same in real time: the last is late by", 400, _in_ms(_ours("real_time", 9_900)), _MS),
    Figure("9,900 back in bursts of 500: longest stall", 40, _in_ms(_ours("silence_back", 9_900)), _MS),
    Figure(
        "discovery of 1,000 / core MQTT discovery", 0.6, _ratio("discovery_seconds", "core_expire_after", 1_000), _RATIO
    ),
    Figure(
        "discovery of 9,900: longest stall / core's", 0.4, _ratio("discovery_stall", "core_expire_after", 9_900), _RATIO
    ),
    Figure("memory a device, of 9,900 / core's", 0.6, _memory, _RATIO),
    Figure(
        "over a real Mosquitto, 9,900 devices: messages a second / no-op",
        0.9,
        _ratio("wire", "floor_a", 9_900),
        _RATIO,
        at_least=True,
    ),
    Figure("data message of 10 values, 1 changed / core's", 0.3, _ratio("data", "core_data", 800, "ours_data"), _RATIO),
    Figure("restart with 9,900 known devices / core's", 0.5, _ratio("restart", "core_expire_after", 9_900), _RATIO),
)
