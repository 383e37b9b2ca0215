"""Scripts: what `scripts/test` answers, with everything that it calls replaced."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess

import pytest

from .checkout import ROOT

SCRIPT = ROOT / "scripts/test"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Make a checkout with two environments, in which all passes."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    _stub(tmp_path / "scripts/setup", 0)
    for end in ("newest", "oldest"):
        (tmp_path / f".venv/{end}/bin").mkdir(parents=True)
        (tmp_path / f".venv/{end}/ready").touch()
        _stub(tmp_path / f".venv/{end}/bin/python", 0)
    _stub(tmp_path / ".venv/newest/bin/coverage", 0)
    return tmp_path


def _stub(path: Path, code: int) -> None:
    path.write_text(f"#!/bin/sh\necho {path.parts[-3]} $*\nexit {code}\n", encoding="utf-8")
    path.chmod(0o755)


def _test(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "scripts/test", *arguments], capture_output=True, text=True, check=False)


def test_the_run_passes_when_both_ends_do_and_all_is_covered(copy: Path) -> None:
    done = _test(copy)

    assert (done.returncode, done.stderr) == (0, "")
    assert "oldest -m coverage run -m pytest" in done.stdout
    assert "newest report" in done.stdout


@pytest.mark.parametrize(
    ("broken", "code", "told"),
    [
        ("newest/bin/python", 1, "test: failed on newest\n"),
        ("oldest/bin/python", 1, "test: failed on oldest\n"),
        ("newest/bin/coverage", 2, ""),  # which says itself what is left uncovered
    ],
)
def test_the_run_fails_with_an_end_or_the_coverage(copy: Path, broken: str, code: int, told: str) -> None:
    _stub(copy / ".venv" / broken, code)

    done = _test(copy)

    assert (done.returncode, done.stderr) == (code, told)


def test_the_run_goes_on_with_the_only_end_there_is_and_says_so(copy: Path) -> None:
    shutil.rmtree(copy / ".venv/newest")

    done = _test(copy)

    assert done.returncode == 0
    assert "on oldest only" in done.stderr


def test_a_part_is_asked_for_no_coverage(copy: Path) -> None:
    done = _test(copy, "tests/test_fleet.py")

    assert done.returncode == 0
    assert "pytest tests/test_fleet.py" in done.stdout
    assert "newest report" not in done.stdout
