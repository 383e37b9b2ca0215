"""Processes never outlive us, however we end."""

import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from harness.process import FOLDER, LOOPBACK, ROOT, Process, StartError, free_port, signals_held, tail
from harness.waiting import until

SLEEP = "import time; time.sleep(60)"
STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
"""
PARENT = """
    import subprocess, sys, time
    print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
    time.sleep(60)
"""
SLEEPER = f"""
import pathlib, sys, threading, time
from harness.process import Process, exit_on_signals, signals_held
class Sleeper(Process):
    def start(self):
        self._run([sys.executable, "-c", "print(1, flush=True); {SLEEP}"])
        self._wait_until(lambda: self.log.read_text() != "", within=10)
def wait():
    while True:  # a signal that comes just before a sleep does not end it
        time.sleep(0.01)
"""


class Program(Process):
    """Some Python, ready as soon as it has said something, or never."""

    def __init__(self, code: str, *, speaks: bool = False) -> None:
        super().__init__("Program")
        self._code = textwrap.dedent(code)
        self._speaks = speaks
        self.started = 0

    def start(self) -> None:
        self._run([sys.executable, "-c", self._code])
        self.started = self.pid
        if self._speaks:
            self._wait_until(lambda: self.said != "(nothing)", within=10)

    @property
    def said(self) -> str:
        return tail(self.log)


def state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().rsplit(")", 1)[1].split()[0] if stat.exists() else ""


def is_alive(pid: int) -> bool:
    return state(pid) not in ("", "Z")


def ended(pid: int) -> bool:
    return not is_alive(pid)


def ours(program: str, **more: object) -> subprocess.Popen[str]:
    """Run a program of ours, which starts others."""
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]


def first_line(program: subprocess.Popen[str]) -> str:
    assert program.stdout
    return program.stdout.readline().strip()


def test_a_process_and_its_folder_last_as_long_as_its_block() -> None:
    with Program(SLEEP) as program:
        assert program.is_running
        assert program.folder.exists()
    assert ended(program.started)
    assert not program.folder.exists()


def test_stopping_returns_the_exit_code_and_is_harmless_when_nothing_runs() -> None:
    with Program(SLEEP) as program:
        assert program.stop() == -signal.SIGTERM
        assert not program.is_running
        assert program.stop() == 0
        program.freeze()


def test_a_stubborn_process_is_killed() -> None:
    with Program(STUBBORN, speaks=True) as program:
        assert program.stop(within=0.2) == -signal.SIGKILL


def test_a_frozen_process_is_stopped() -> None:
    with Program(SLEEP) as program:
        program.freeze()
        until(lambda: state(program.pid) == "T")
        assert program.is_running
        assert program.stop() == -signal.SIGTERM


def test_the_children_of_a_process_go_with_it() -> None:
    with Program(PARENT, speaks=True) as program:
        grandchild = int(program.said)
        assert is_alive(grandchild)
    until(lambda: ended(grandchild))


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_process_ends_with_us(end: signal.Signals, thread: bool) -> None:
    program = f"""{SLEEPER}
def start():
    sleeper = Sleeper("test")
    sleeper.start()
    print(sleeper.pid, flush=True)
    wait()
exit_on_signals()
threading.Thread(target=start, daemon=True).start() if {thread} else start()
wait()
"""
    with ours(program) as starter:
        sleeper = int(first_line(starter))
        assert is_alive(sleeper)
        starter.send_signal(end)
        assert starter.wait(10) == (-end if end is signal.SIGKILL else 128 + end)
    until(lambda: ended(sleeper))


def test_a_process_ends_with_us_where_there_is_no_setpriv() -> None:
    program = f"""{SLEEPER}
sleeper = Sleeper("test")
sleeper.start()
print(sleeper.pid, flush=True)
"""
    with ours(program, env={"PATH": "/nowhere"}) as starter:
        sleeper = int(first_line(starter))
    until(lambda: ended(sleeper))


def test_a_process_that_is_never_ready_leaves_nothing_behind() -> None:
    class Endless(Program):
        def start(self) -> None:
            super().start()
            self._wait_until(lambda: False, within=0.1)

    program = Endless(SLEEP)
    with pytest.raises(StartError, match="not ready within"), program:
        pass
    assert ended(program.started)
    assert not program.folder.exists()


def test_a_process_that_ends_before_it_is_ready_is_quoted() -> None:
    class Silent(Program):
        def start(self) -> None:
            super().start()
            self._wait_until(lambda: False, within=10)

    program = Silent("print('no such option'); raise SystemExit(3)")
    with pytest.raises(StartError, match=r"Program ended with code 3(.|\n)*no such option"), program:
        pass


def test_an_impatient_ctrl_c_does_not_break_into_the_clean_up(tmp_path: Path) -> None:
    program = f"""{SLEEPER}
exit_on_signals()
try:
    print("begun", flush=True)
    wait()
finally:
    print("cleaning", flush=True)
    time.sleep(0.5)
    print("cleaned", flush=True)
"""
    with ours(program) as starter:
        assert first_line(starter) == "begun"
        starter.send_signal(signal.SIGINT)
        assert first_line(starter) == "cleaning"
        starter.send_signal(signal.SIGINT)
        starter.send_signal(signal.SIGTERM)
        assert starter.wait(10) == 128 + signal.SIGINT
        assert first_line(starter) == "cleaned"


def test_a_test_run_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    pid_file, temporary = tmp_path / "pid", tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure")
    test = tmp_path / "test_endless.py"
    test.write_text(
        f"""{SLEEPER}
def test():
    with Sleeper("test") as sleeper:
        pathlib.Path({str(pid_file)!r}).write_text(str(sleeper.pid))
        wait()
"""
    )
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider", str(test)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as run:
        until(lambda: pid_file.exists() and pid_file.read_text() != "")
        run.send_signal(signal.SIGTERM)
        assert run.wait(10) == pytest.ExitCode.INTERRUPTED
    assert ended(int(pid_file.read_text()))
    assert not list(temporary.glob(f"{FOLDER}*"))


def test_a_held_signal_comes_later() -> None:
    heard: list[str] = []
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append("signal"))
    try:
        with signals_held():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
            heard.append("end of the block")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heard == ["end of the block", "signal"]


@pytest.mark.usefixtures("socket_enabled")
def test_free_ports_are_free_and_not_for_outgoing_connections() -> None:
    port = free_port()
    assert 20_000 <= port <= 30_000
    with socket.socket() as taken:
        taken.bind((LOOPBACK, port))


def test_a_log_that_is_not_there_has_no_end(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == "(nothing)"
