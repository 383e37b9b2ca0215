"""What the fault tests share: the figures that they record are printed at the end of the run."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured: each `record_property` of a fault test."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    measured = [report for report in reports if "tests/faults/" in report.nodeid and report.when == "call"]
    if any(report.user_properties for report in measured):
        terminalreporter.section("what was measured")
    for report in measured:
        name = report.nodeid.rpartition("::")[2]
        for what, figure in report.user_properties:
            terminalreporter.line(f"{name}: {what}: {figure}")
