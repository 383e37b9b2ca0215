"""One of our modules as a process of its own, to be measured or to change what is global: asked and answering in JSON."""

from collections.abc import Mapping
import json
import os
import sys
from typing import Any

from .process import Process, tail


class WorkerError(Exception):
    """The process has ended; the text quotes what it said last."""


class Worker(Process):
    """A process that reads requests and writes answers, one a line, in a `with` block."""

    def __init__(self, module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        """Prepare to run `python -m MODULE ARGUMENTS…`."""
        super().__init__(" ".join(map(str, (module, *arguments))))
        self._command = [sys.executable, "-m", module, *map(str, arguments)]
        self._environment = os.environ | (environment or {})

    def start(self) -> None:
        """Start it, without waiting."""
        self._run(self._command, environment=self._environment, pipes=True)

    def ask(self, what: str, *arguments: object) -> Any:
        """Let it do something, and return its answer."""
        self.begin(what, *arguments)
        return self.answer()

    def begin(self, what: str, *arguments: object) -> None:
        """Let it begin with something."""
        assert self._process and self._process.stdin
        print(json.dumps([what, arguments]), file=self._process.stdin, flush=True)

    def answer(self) -> Any:
        """Wait for its next answer.

        Raises:
            WorkerError: There is none.

        """
        assert self._process and self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise WorkerError(f"{self.name} has ended:\n{tail(self.log, 30)}")
        return json.loads(line)
