"""The memory of a process."""

from __future__ import annotations

from pathlib import Path


def megabytes(pid: int | str, field: str = "VmRSS") -> float:
    """Return a size that the system knows of a process: what it has in memory now, or with `VmHWM` at the most so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
