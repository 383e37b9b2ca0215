"""`soak.core` in a process of its own, seen from outside."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]


class CoreProcess:
    """A Home Assistant core that watches a site inside a `with` block; what it saw is in `figures` after `finish`."""

    def __init__(
        self, port: int, site: str, *, after: int, options: dict[str, Any] | None = None, noop: bool = False
    ) -> None:
        """Prepare; it will have started when it has received `after` messages."""
        self._command = [sys.executable, "-m", "soak.core", "--port", str(port), "--site", site, "--after", str(after)]
        self._command += ["--options", json.dumps(options or {}), *(["--noop"] if noop else [])]
        self.figures: dict[str, Any] = {}

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the core ended with {self._process.wait()}")
        return self

    def finish(self) -> dict[str, Any]:
        """Let it read what has arrived, and tell what became of it."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the core ended with {self._process.returncode}")
        self.figures = json.loads(output)
        return self.figures

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """End it, if it did not end."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
