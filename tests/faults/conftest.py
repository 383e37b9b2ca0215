"""What the fault tests share: those of a module happen side by side, and the figures are printed at the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from soak.outcome import Outcome

from . import Figures, side_by_side


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[str, Future[Figures]]:
    """Let all faults of the module happen whose tests are to run."""
    items = [item for item in request.session.items if item.path == request.path]
    wanted = {item.callspec.params["outcome"] for item in items if isinstance(item, pytest.Function)}
    return side_by_side({name: happen for name, happen in request.module.SCENARIOS.items() if name in wanted})


@pytest.fixture
def outcome(
    request: pytest.FixtureRequest, outcomes: dict[str, Future[Figures]], record_property: Callable[[str, object], None]
) -> Figures:
    """Return what came of one of them, its figures printed; Home Assistant has had nothing to complain of."""
    figures = outcomes[request.param].result()
    for what, figure in figures.items():
        if isinstance(figure, int | float | str | tuple):
            record_property(what, figure)
    assert not figures.get("complaints")
    return figures


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[Outcome], None]:
    """Print the figures of a part of the soak, and see that nothing is wrong with them."""

    def judge(outcome: Outcome) -> None:
        for what, figure in outcome.figures.items():
            record_property(what, figure)
        assert not outcome.wrong

    return judge


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
