"""Pictures: the two that the README shows, readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .figures import AllSeries, spread

_GREY: Final = "#808890"  # seen on white and on black
_SIZES: Final = (100, 1_000, 9_900)
_LINES: Final[Mapping[str, tuple[str, str, str]]] = {  # label, colour, marker
    "core_expire_after": ("core MQTT, expire_after", "#d9822b", "s"),
    "core_off_delay": ("core MQTT, off_delay", "#c4515c", "D"),
    "poll": ("database and sweep", "#9b6bd3", "v"),
    "timer": ("a timer a device", "#4a90d9", "^"),
    "ours": ("site_devices", "#2f9e5f", "o"),
    "floor_b": ("reading the JSON, no more", _GREY, "x"),
}


def draw(series: AllSeries, folder: Path) -> None:
    """Draw what was measured into `heartbeat_cost.svg` and `loop_stall.svg`."""
    _draw(
        series,
        "heartbeat",
        1e6,
        ("core_expire_after", "core_off_delay", "poll", "timer", "ours", "floor_b"),
        "One heartbeat, µs",
        folder / "heartbeat_cost.svg",
    )
    _draw(
        series,
        "silence_stall",
        1e3,
        ("core_expire_after", "timer", "ours"),
        "Home Assistant stands still when all fall silent, ms",
        folder / "loop_stall.svg",
    )


def _draw(series: AllSeries, measure: str, factor: float, names: tuple[str, ...], title: str, file: Path) -> None:
    mpl.rcParams["svg.hashsalt"] = "site_devices"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for name in names:
        label, colour, marker = _LINES[name]
        spreads = [spread([factor * value for value in series[f"{measure}/{name}/{size}"]]) for size in _SIZES]
        medians = [middle.median for middle in spreads]
        reach = [[s.median - s.least for s in spreads], [s.most - s.median for s in spreads]]
        width = 2.5 if name == "ours" else 1.5
        axes.errorbar(
            _SIZES,
            medians,
            yerr=reach,
            label=label,
            color=colour,
            marker=marker,
            linewidth=width,
            capsize=3,
            markersize=6,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(_SIZES, [f"{size:,}" for size in _SIZES])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("devices", color=_GREY)
    axes.set_title(title, color=_GREY, loc="left")
    axes.tick_params(which="both", colors=_GREY)
    axes.grid(which="major", color=_GREY, alpha=0.25)
    for spine in axes.spines.values():
        spine.set_color(_GREY)
    figure.legend(loc="outside right center", frameon=False, labelcolor=_GREY)
    figure.savefig(file, transparent=True, metadata={"Date": None})
