"""Cast: the players' processes, and who is asked when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from harness.worker import Worker

# MQTT 3.1.1: messages without properties cost less before we see them, so that what comes after weighs more
IN_PROCESS: Final = "3.1.1"


class Process(Worker):
    """One player, see `benchmarks.player`; it answers as soon as its Home Assistant has started."""

    def __init__(
        self, name: str, size: int, port: int, *, folder: Path | None = None, protocol: str = IN_PROCESS
    ) -> None:
        """Prepare; Home Assistant will be in a folder, or in the process's own."""
        super().__init__("benchmarks.player", environment={"PYTHONHASHSEED": "0"})
        self.name = name
        self.size = size
        self._command += [name, str(size), str(folder or self.folder), str(port), protocol]


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
                player.answer()
        yield players
