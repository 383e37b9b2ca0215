"""Scripts: what `scripts/test` answers, with everything that it calls replaced."""

from __future__ import annotations

from pathlib import Path
import re
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
    assert "newest -m coverage run -m pytest --ignore=tests/faults" in done.stdout
    assert "oldest -m pytest --ignore=tests/faults" in done.stdout
    assert "oldest -m coverage run -m pytest tests/test_compat.py" in done.stdout
    for end in ("newest", "oldest"):
        assert f"{end} -m pytest tests/faults" in done.stdout
    assert done.stdout.count("pytest tests/e2e") == 1
    assert "newest report" in done.stdout


@pytest.mark.parametrize("end", ["newest", "oldest"])
def test_the_run_fails_with_an_end_and_says_which(copy: Path, end: str) -> None:
    _stub(copy / f".venv/{end}/bin/python", 1)

    done = _test(copy)

    assert done.returncode == 1
    assert {line.removeprefix("test: failed on ").partition(":")[0] for line in done.stderr.splitlines()} == {end}


@pytest.mark.parametrize("part", ["faults", "wire", "test_compat"])
def test_the_run_fails_with_a_part_and_shows_its_output(copy: Path, part: str) -> None:
    python = copy / ".venv/oldest/bin/python"
    python.write_text(
        f"#!/bin/sh\necho oldest $*\ncase $* in *pytest\\ tests/{part}*) exit 1 ;; esac\n", encoding="utf-8"
    )

    done = _test(copy)

    assert done.returncode == 1
    assert re.fullmatch(rf"test: failed on oldest: {part.removeprefix('test_')}.*\n", done.stderr)
    assert f"pytest tests/{part}" in done.stdout


def test_the_run_fails_when_something_is_left_uncovered(copy: Path) -> None:
    _stub(copy / ".venv/newest/bin/coverage", 2)

    assert _test(copy).returncode == 2


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
