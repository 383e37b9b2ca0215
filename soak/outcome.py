"""What comes of a part: its figures, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """All is well when `wrong` is empty."""

    figures: dict[str, Any]
    wrong: list[str]


class MissingError(Exception):
    """A part needs what is not installed; the text tells what."""


def megabytes(pid: int | str, field: str = "VmRSS") -> float:
    """Return what the system knows of a process: what it has in memory now, or with `VmHWM` at the most so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
