"""The tables say what was measured and that a target was missed, and so does the page of the documentation."""

from __future__ import annotations

import json

import pytest

from benchmarks.table import capacity_table, figures_table, filled, series_table
from tests.checkout import ROOT

SERIES = {"restart/ours/9900": [3.0], "wire/ours/9900": [20_000.0]}
MARKS = "".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in ("machine", "figures", "capacity", "series"))


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        ([0.010, 0.020, 0.028], "| 20 ms | 10 ms … 28 ms | ≤ 30 ms |  |"),
        ([0.010, 0.031, 0.032], "| 31 ms | 10 ms … 32 ms | ≤ 30 ms | missed |"),
        ([0.010, 0.020, 1.5], "| 20 ms | 10 ms … 1500 ms | ≤ 30 ms |  |"),  # the worst is told, the median judged
    ],
)
def test_a_figure_stands_beside_its_target(seconds, line):
    assert figures_table({"silence_stall/ours/9900": seconds}).splitlines() == [
        "| figure | median | min … max | target |  |",
        "| --- | --- | --- | --- | --- |",
        f"| 9,900 silent at once: longest stall of the loop {line}",
    ]


def test_each_contestant_has_a_line_with_its_own_unit():
    series = {"heartbeat/timer/1000": [6e-6, 5.25e-6, 7e-6], "wire/ours/9900": [23_456.7]}
    assert series_table(series).splitlines()[2:] == [
        "| heartbeat | 1,000 | a timer a device | 6.00 µs | 5.25 … 7.00 |",
        "| over the wire | 9,900 | **site_devices** | 23,457 messages/s | 23,457 … 23,457 |",
    ]


def test_the_share_of_a_core_follows_from_what_comes_through():
    lines = capacity_table({"wire/ours/9900": [10_000.0, 19_800.0, 30_000.0]}).splitlines()
    assert lines[0] == "| devices | every 1 s | every 5 s | every 10 s | every 30 s |"
    assert lines[4] == "| 9,900 | 50.0% | 10.0% | 5.0% | 1.7% |"


def test_what_stood_between_the_marks_is_replaced_and_the_rest_stays():
    page = filled(f"above\n{MARKS}below\n", {"python": "Python 3.14", "cores": "2 cores"}, SERIES)
    assert page.startswith("above\n<!-- machine -->\nPython 3.14, 2 cores\n<!-- /machine -->\n")
    assert page.endswith("\n<!-- /series -->\nbelow\n")
    assert "old" not in page
    assert "| restart | 9,900 | **site_devices** | 3.00 s | 3.00 … 3.00 |" in page


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError):
        filled("text", {}, SERIES)


def test_the_page_says_what_the_results_say():
    results = json.loads((ROOT / "benchmarks/results.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert page == filled(page, results["machine"], results["series"])
