"""A child process that never outlives us. Standard library only.

In: a command. Out: its process group, started, watched and ended, whatever happens in between: the end of a `with`
block, an error, Ctrl-C, SIGTERM, the end of the interpreter, and, where `setpriv` is at hand, a SIGKILL of ours. `Part`
joins one to a folder, which is gone afterwards as well, but for the SIGKILL.
"""

from abc import ABC, abstractmethod
import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import random
import shutil
import signal
import socket
import subprocess
from tempfile import TemporaryDirectory
import threading
import time
from types import FrameType
from typing import Self

LOOPBACK = "127.0.0.1"
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPS_WITHIN = 120.0  # seconds; Home Assistant takes 2, with 1,000 devices' history to be written far more
CLOSES_WITHIN = 10.0  # seconds; what it would still save is about to be removed
IMPATIENCE = 3.0  # seconds in which several signals are one: a second Ctrl-C must not break into the clean-up


class StartError(Exception):
    """A part of the stack did not come up; the text tells why, and what to do."""


class Child:
    """One process in a group of its own, so that Ctrl-C in a terminal reaches us first, and its children go with it."""

    def __init__(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start the process; what it prints is appended to `log`. It ends with the thread that starts it, at the latest."""
        with signals_held(), log.open("ab") as output:
            setpriv = shutil.which("setpriv")
            prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
            self._process = subprocess.Popen(
                [*prefix, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """The process id, which is the id of its group as well."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; harmless when it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, within: float = CLOSES_WITHIN) -> int:
        """Ask it to end, and kill it if it takes longer; returns the exit code."""
        self.send(signal.SIGCONT)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        return self.kill()

    def kill(self) -> int:
        """End it and its whole group at once; returns the exit code."""
        if self._process.poll() is None or _group_exists(self.pid):
            self.send(signal.SIGKILL)
        atexit.unregister(self.kill)
        return self._process.wait()


class Part(ABC):
    """One process and its folder, in a `with` block: it runs inside, and nothing is left behind."""

    def __init__(self, name: str) -> None:
        """Make the folder; nothing runs before `start`."""
        with signals_held():
            self._folder = TemporaryDirectory(prefix=f"site_devices-{name}-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self._child: Child | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it can be used."""
        try:
            self.start()
        except BaseException:  # a signal as well
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether the process lives; a frozen one does, too."""
        return self._child is not None and self._child.exit_code is None

    @property
    def pid(self) -> int:
        """The process id, while there is one."""
        assert self._child
        return self._child.pid

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it can be used; harmless if it runs."""

    def stop(self, within: float = STOPS_WITHIN) -> int:
        """End it as a system does, saving what it knows; returns the exit code (0 if all went well)."""
        code = self._child.stop(within) if self._child else 0
        self._child = None
        return code

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._child:
            self._child.kill()
            self._child = None

    def freeze(self) -> None:
        """Let it hang: connections stay open, and nothing is answered."""
        if self._child:
            self._child.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        if self._child:
            self._child.send(signal.SIGCONT)

    def close(self) -> None:
        """Stop it and remove its folder."""
        with signals_held():
            self.stop(CLOSES_WITHIN)
            self._folder.cleanup()

    def _run(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> Child:
        with signals_held():  # else one could come before we know whom to stop
            self._child = Child(command, log=log, environment=environment)
        return self._child


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """A loopback port that nobody uses.

    Below the range that systems take for outgoing connections: else one of those could take the port while a broker
    is away, even a client that retries on it (a TCP connection to itself).
    """
    while True:
        port = random.randint(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def wait_for_port(port: int, child: Child, *, name: str, log: Path, within: float) -> None:
    """Wait until the child takes connections on a port, or raise a StartError that quotes its log."""
    deadline = time.monotonic() + within
    while child.exit_code is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        time.sleep(0.02)
    why = f"did not listen within {within:.0f} s" if child.exit_code is None else f"ended with code {child.exit_code}"
    raise StartError(f"{name} {why}. The end of its log:\n{tail(log)}")


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, if there is one."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(nothing)"


@contextmanager
def signals_held() -> Iterator[None]:
    """Put Ctrl-C and the like off to the end of the block.

    Between a fork and its bookkeeping they would orphan the child, and in the middle of a clean-up, end it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are delivered to the main thread only
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.signal(number, hold) for number in ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in held:
            signal.raise_signal(number)


def exit_on_signals() -> None:
    """Make Ctrl-C, SIGTERM and a closed terminal end this program through its `with` blocks."""
    last = -IMPATIENCE

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= IMPATIENCE:
            last = time.monotonic()
            raise SystemExit(128 + number)

    for each in ENDINGS:
        signal.signal(each, leave)
