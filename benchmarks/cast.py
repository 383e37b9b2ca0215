"""Cast: the players' processes, and who is asked when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
import json
import os
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any, Final, Self

from demo.process import signals_held

# MQTT 3.1.1: messages without properties cost less before we see them, so that what comes after weighs more
IN_PROCESS: Final = "3.1.1"


class PlayerError(Exception):
    """A player's process has ended; the text tells what it said last."""


class Process:
    """One player, see `benchmarks.player`, in a `with` block; it answers as soon as its Home Assistant has started."""

    def __init__(
        self, name: str, size: int, port: int, *, folder: Path | None = None, protocol: str = IN_PROCESS
    ) -> None:
        """Prepare; Home Assistant will be in a folder, or in one of its own that is gone afterwards."""
        self.name = name
        self.size = size
        self._own = TemporaryDirectory(prefix="site_devices-bench-", ignore_cleanup_errors=True)
        self._log = Path(self._own.name) / "log"
        arguments = (name, str(size), str(folder or self._own.name), str(port), protocol)
        self._command = [sys.executable, "-m", "benchmarks.player", *arguments]

    def __enter__(self) -> Self:
        """Start it, without waiting."""
        with signals_held(), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"PYTHONHASHSEED": "0"},
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it, without giving it time to write."""
        self._process.kill()
        self._process.wait()
        self._own.cleanup()

    def ask(self, what: str, *arguments: object) -> Any:
        """Let the player do something; return its answer."""
        self.begin(what, *arguments)
        return self.end()

    def begin(self, what: str, *arguments: object) -> None:
        """Let the player begin with something."""
        assert self._process.stdin
        print(json.dumps([what, arguments]), file=self._process.stdin, flush=True)

    def end(self) -> Any:
        """Wait for the player's answer.

        Raises:
            PlayerError: There is none.

        """
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise PlayerError("\n".join([f"{self.name} with {self.size} devices has ended:", *lines[-30:]]))
        return json.loads(line)


@contextmanager
def on_stage(
    names: Sequence[str], size: int, ports: Iterable[int], preparations: Sequence[str], protocol: str = IN_PROCESS
) -> Iterator[list[Process]]:
    """Have the players of some contestants, each with its broker, started and prepared at once: nothing is measured yet."""
    with ExitStack() as stack:
        players = [
            stack.enter_context(Process(name, size, port, protocol=protocol))
            for name, port in zip(names, ports, strict=False)
        ]
        for preparation in preparations:
            for player in players:
                player.begin(preparation)
            for player in players:
                player.end()
        yield players
