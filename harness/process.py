"""A process that never outlives us, in a folder that doesn't either. Standard library only.

It ends with its `with` block, whatever ends that: an error, Ctrl-C, SIGTERM, the end of the interpreter. Where `setpriv` is
at hand it ends with a SIGKILL of ours as well; only the folder is left then.
"""

from abc import ABC, abstractmethod
import atexit
from collections.abc import Callable, Iterator, Mapping, Sequence
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

ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = "127.0.0.1"
FOLDER = "site_devices-"  # how the name of every temporary folder begins
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPS_WITHIN = 120.0  # seconds; Home Assistant takes 2, with 1,000 devices' history to be written far more
CLOSES_WITHIN = 10.0  # seconds; what it would still save is about to be removed
IMPATIENCE = 3.0  # seconds in which several signals are one: a second Ctrl-C must not break into the clean-up
_POLL = 0.02  # seconds


class StartError(Exception):
    """A process did not come up; the text tells why, and what to do."""


class Process(ABC):
    """A process in a group of its own: Ctrl-C in a terminal reaches us first, and its children go with it.

    It keeps its folder, and may be started again, until it is closed.
    """

    def __init__(self, name: str) -> None:
        """Make the folder; nothing runs before `start`. `name` is what people call it."""
        with signals_held():
            self._folder = TemporaryDirectory(prefix=FOLDER, ignore_cleanup_errors=True)
        self.name = name
        self.folder = Path(self._folder.name)
        self.log = self.folder / "output.log"
        self._process: subprocess.Popen[str] | None = None

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
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process, and of its group."""
        assert self._process
        return self._process.pid

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it can be used; harmless if it runs."""

    def stop(self, within: float = STOPS_WITHIN) -> int:
        """Ask it to end, and kill it if it takes longer; return the exit code (0 if all went well)."""
        if not self._process:
            return 0
        self.send(signal.SIGCONT)
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        return self.kill()

    def kill(self) -> int:
        """End it and its children at once, as a power cut does; return the exit code."""
        if not self._process:
            return 0
        self.send(signal.SIGKILL)
        atexit.unregister(self.kill)
        code = self._process.wait()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            with suppress(OSError):  # what is still in it can go nowhere
                pipe.close()
        self._process = None
        return code

    def freeze(self) -> None:
        """Let it hang: connections stay open, and nothing is answered."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; harmless when it is gone."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def close(self) -> None:
        """Stop it and remove its folder."""
        with signals_held():
            self.stop(CLOSES_WITHIN)
            self._folder.cleanup()

    def _run(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, pipes: bool = False
    ) -> None:
        """Start a command, which ends with the thread that starts it at the latest; what it says is appended to a log.

        With `pipes` its standard output is ours to read, and its input to write.
        """
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        # Were a signal to come in between, nobody would know whom to stop.
        with signals_held(), (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else log,
                stderr=log,
                start_new_session=True,
                text=True,
            )
            atexit.register(self.kill)

    def _wait_until(self, ready: Callable[[], bool], *, within: float) -> None:
        """Wait until it can be used.

        Raises:
            StartError: It has ended, or the time is over; quotes the log.

        """
        assert self._process
        end = time.monotonic() + within
        while (code := self._process.poll()) is None and time.monotonic() < end:
            if ready():
                return
            time.sleep(_POLL)
        why = f"was not ready within {within:.0f} s" if code is None else f"ended with code {code}"
        raise self._failure(why)

    def _failure(self, why: str) -> StartError:
        log = self.log if self.log.exists() else self.folder / "output.log"
        return StartError(f"{self.name} {why}. The end of its log:\n{tail(log)}")


def free_port() -> int:
    """Return a loopback port that nobody uses.

    Below the range that systems take for outgoing connections: else one of those could take the port while a broker
    is away, even a client that retries on it (a TCP connection to itself).
    """
    while True:
        port = random.randint(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def takes_connections(port: int) -> bool:
    """Tell whether somebody listens on a loopback port."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, if there is one."""
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
