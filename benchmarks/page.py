"""Page: what was measured goes between the marks of `docs/performance.md`, and nothing there is written by hand."""

from __future__ import annotations

from collections.abc import Mapping

from .figures import AllSeries
from .table import capacity_table, figures_table, series_table


def filled(page: str, machine: Mapping[str, str], series: AllSeries) -> str:
    """Return the page with what was measured.

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
