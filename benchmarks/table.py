"""Table: figures and series as Markdown, and the page of the documentation that they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from .figures import FIGURES, AllSeries, spread

_SIZES: Final = (100, 1_000, 9_900, 49_500)
_INTERVALS: Final = (1, 5, 10, 30)  # seconds
_CONTESTANTS: Final = {
    "floor_a": "floor A: a callback that does nothing",
    "floor_b": "floor B: one that reads the JSON",
    "core_expire_after": "core MQTT, `expire_after`",
    "core_off_delay": "core MQTT, `off_delay`",
    "core_data": "core MQTT sensors",
    "timer": "a timer a device",
    "poll": "a database and a sweep",
    "ours": "**site_devices**",
    "ours_data": "**site_devices** with 10 values a device",
}
_MEASURES: Final = {
    "heartbeat": ("heartbeat", 1e6, "µs"),
    "heartbeat_beside_data": ("heartbeat", 1e6, "µs"),
    "data": ("data message", 1e6, "µs"),
    "silence_stall": ("all silent: stall", 1e3, "ms"),
    "silence_seconds": ("all silent: until shown", 1e3, "ms"),
    "silence_back": ("all back: stall", 1e3, "ms"),
    "real_time": ("all silent in real time: late by", 1e3, "ms"),
    "discovery_seconds": ("discovery", 1, "s"),
    "discovery_stall": ("discovery: stall", 1e3, "ms"),
    "memory": ("memory of the process", 1e-6, "MB"),
    "restart": ("restart", 1, "s"),
    "wire": ("over the wire", 1, "messages/s"),
}


def figures_table(series: AllSeries) -> str:
    """Return each figure that was measured beside its target."""
    return "\n".join(_rows(["figure", "median", "min … max", "target", ""], _figures(series)))


def series_table(series: AllSeries) -> str:
    """Return what each contestant took."""
    return "\n".join(_rows(["measured", "devices", "contestant", "median", "min … max"], _series(series)))


def capacity_table(series: AllSeries) -> str:
    """Return the share of one core that heartbeats take which come at an interval from each device."""
    rate = spread(series["wire/ours/9900"]).median
    head = ["devices", *(f"every {interval} s" for interval in _INTERVALS)]
    rows = ([f"{size:,}", *(f"{size / interval / rate:.1%}" for interval in _INTERVALS)] for size in _SIZES)
    return "\n".join(_rows(head, rows))


def filled(page: str, machine: Mapping[str, str], series: AllSeries) -> str:
    """Return the page with what was measured between its marks: nothing there is written by hand.

    Raises:
        KeyError: A row was not measured.
        ValueError: A mark is missing.

    """
    texts = {
        "machine": ", ".join(machine.values()),
        "figures": figures_table(series),
        "capacity": capacity_table(series),
        "series": series_table(series),
    }
    for name, text in texts.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        before, after = page.index(begin) + len(begin), page.index(end)
        page = page[:before] + text + page[after:]
    return page


def _figures(series: AllSeries) -> Iterator[Sequence[str]]:
    for figure in FIGURES:
        try:
            low, mid, high = spread(figure.of(series))
        except KeyError:
            continue
        form = figure.form.format
        target = ("≥ " if figure.at_least else "≤ ") + form(figure.target)
        yield figure.title, form(mid), f"{form(low)} … {form(high)}", target, "" if figure.reached(mid) else "missed"


def _series(series: AllSeries) -> Iterator[Sequence[str]]:
    for key, values in series.items():
        measure, contestant, size = key.split("/")
        title, factor, unit = _MEASURES[measure]
        low, mid, high = (_three_digits(value * factor) for value in spread(values))
        yield title, f"{int(size):,}", _CONTESTANTS[contestant], f"{mid} {unit}", f"{low} … {high}"


def _three_digits(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join(["---"] * len(head)) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
