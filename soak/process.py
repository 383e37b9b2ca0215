"""`soak.core` in a process of its own, seen from outside."""

from __future__ import annotations

from contextlib import suppress
import json
import subprocess
import sys
from typing import Any, Self

from demo.home_assistant import ROOT
from demo.process import CLOSES_WITHIN, signals_held


class CoreProcess:
    """A Home Assistant core that watches a site inside a `with` block."""

    def __init__(
        self, port: int, site: str, *, after: int, options: dict[str, Any] | None = None, noop: bool = False
    ) -> None:
        """Prepare; it will have started when it has received `after` messages."""
        self._command = [sys.executable, "-m", "soak.core", "--port", str(port), "--site", site, "--after", str(after)]
        self._command += ["--options", json.dumps(options or {}), *(["--noop"] if noop else [])]

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        with signals_held():
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        try:
            self._wait_until_ready()
        except BaseException:  # a signal as well
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it, if it did not end."""
        self._end()

    def finish(self) -> dict[str, Any]:
        """Let it read what has arrived; return what it saw."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the core ended with {self._process.returncode}")
        figures = json.loads(output)
        assert isinstance(figures, dict)
        return figures

    def _wait_until_ready(self) -> None:
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the core ended with {self._process.wait()}")

    def _end(self) -> None:
        """Not at once: it has a folder to remove."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSES_WITHIN)
        self._process.kill()
        self._process.wait()
