"""The tables say what was measured, and that a target was missed."""

from __future__ import annotations

from benchmarks.table import capacity_table, figures_table, series_table


def test_a_figure_stands_beside_its_target():
    series = {"silence_stall/ours/9900": [0.010, 0.020, 0.028]}
    assert figures_table(series).splitlines() == [
        "| figure | median | min … max | target |  |",
        "| --- | --- | --- | --- | --- |",
        "| 9,900 silent at once: longest stall of the loop | 20 ms | 10 ms … 28 ms | ≤ 30 ms |  |",
    ]


def test_a_missed_target_is_called_missed():
    series = {"silence_stall/ours/9900": [0.010, 0.031, 0.032]}
    assert figures_table(series).splitlines()[-1].endswith("| ≤ 30 ms | missed |")


def test_the_worst_of_the_repetitions_is_told_even_where_the_median_is_good():
    series = {"silence_stall/ours/9900": [0.010, 0.020, 1.5]}
    assert "10 ms … 1500 ms" in figures_table(series)


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
