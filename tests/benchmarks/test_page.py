"""The page of the documentation says what the last whole run of the benchmark measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.page import filled

ROOT = Path(__file__).parents[2]
SERIES = {"restart/ours/9900": [3.0], "wire/ours/9900": [20_000.0]}
MARKS = "".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in ("machine", "figures", "capacity", "series"))


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
