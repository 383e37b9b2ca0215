"""`python -m benchmarks [ROW …]`: measure, print, and, when all rows were measured, write results, pictures and tables."""

from __future__ import annotations

import argparse
from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
import time
from typing import Any, Final

from harness.broker import Broker
from harness.process import ROOT, exit_on_signals

from .pictures import draw
from .rows import ROWS, Series
from .table import figures_table, filled, series_table

RESULTS: Final = ROOT / "benchmarks/results.json"
PAGE: Final = ROOT / "docs/performance.md"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure this integration beside the alternatives."
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(ROWS)}")
    rows = parser.parse_args().rows or list(ROWS)
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    exit_on_signals()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    series: Series = {}
    with Broker() as broker:
        say(f"{broker.name} runs; {', '.join(rows)}")
        for row in rows:
            ROWS[row](broker.port, series, say)
        machine = _machine(broker.name)
    say("done")
    whole = set(rows) == set(ROWS)
    if whole:
        RESULTS.write_text(json.dumps({"machine": machine, "series": series}, indent=1) + "\n", encoding="utf-8")
    print(f"\n{figures_table(series)}\n\n{series_table(series)}")
    if whole:
        draw(series, ROOT / "docs/images")
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), machine, series), encoding="utf-8")
    else:
        print("\nNothing was written: results are those of a whole run.")


def _machine(broker: str) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "home_assistant": f"Home Assistant {version('homeassistant')}",
        "python": f"Python {platform.python_version()}",
        "broker": broker,
        "processor": _processor(),
        "cores": f"{os.cpu_count()} cores",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
