"""Child processes never outlive us, however we end."""

from collections.abc import Callable
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from demo.process import Child, Part, StartError, free_port, signals_held, tail, wait_for_port

ROOT = Path(__file__).resolve().parents[2]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().rsplit(")", 1)[1].split()[0] if stat.exists() else ""


def is_alive(pid: int) -> bool:
    return state(pid) not in ("", "Z")


def wait_for(reached: Callable[[], bool], within: float = 10) -> None:
    deadline = time.monotonic() + within
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SLEEPER = python("import time; time.sleep(60)")
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


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_stop(log: Path) -> None:
    child = Child(SLEEPER, log=log)
    assert is_alive(child.pid)
    assert child.stop() == child.exit_code == -signal.SIGTERM
    assert child.stop() == -signal.SIGTERM


def test_a_stubborn_child_is_killed(log: Path) -> None:
    child = Child(python(STUBBORN), log=log)
    wait_for(lambda: "ready" in tail(log))
    assert child.stop(within=0.2) == -signal.SIGKILL


def test_a_frozen_child_is_stopped(log: Path) -> None:
    child = Child(SLEEPER, log=log)
    child.send(signal.SIGSTOP)
    wait_for(lambda: state(child.pid) == "T")
    assert child.stop() == -signal.SIGTERM


def test_its_children_go_with_it(log: Path) -> None:
    child = Child(python(PARENT), log=log)
    wait_for(lambda: tail(log).isdecimal())
    grandchild = int(tail(log))
    assert is_alive(grandchild)
    child.stop()
    wait_for(lambda: not is_alive(grandchild))


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_it_ends_with_us(end: signal.Signals, thread: bool, tmp_path: Path, log: Path) -> None:
    pid_file = tmp_path / "pid"
    program = f"""
        import pathlib, sys, threading, time
        from demo.process import Child, exit_on_signals
        exit_on_signals()
        def start():
            child = Child([sys.executable, "-c", "import time; time.sleep(60)"], log=pathlib.Path({str(log)!r}))
            pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))
            time.sleep(60)
        threading.Thread(target=start, daemon=True).start() if {thread} else start()
        time.sleep(60)
    """
    ours = subprocess.Popen(python(program), cwd=ROOT)
    wait_for(lambda: pid_file.exists() and pid_file.read_text() != "")
    child = int(pid_file.read_text())
    assert is_alive(child)
    ours.send_signal(end)
    assert ours.wait(10) == (-end if end is signal.SIGKILL else 128 + end)
    wait_for(lambda: not is_alive(child))


def test_it_ends_with_us_where_there_is_no_setpriv(log: Path) -> None:
    program = f"""
        import pathlib, sys
        from demo.process import Child
        print(Child([sys.executable, "-c", "import time; time.sleep(60)"], log=pathlib.Path({str(log)!r})).pid)
    """
    done = subprocess.run(
        python(program), cwd=ROOT, env={"PATH": "/nowhere"}, check=True, stdout=subprocess.PIPE, text=True
    )
    wait_for(lambda: not is_alive(int(done.stdout)))


class Endless(Part):
    """Starts, and is never ready."""

    def start(self) -> None:
        self.started = self._run(SLEEPER, log=self.folder / "log").pid
        raise StartError


def test_a_part_that_did_not_start_leaves_nothing_behind() -> None:
    part = Endless("test")
    with pytest.raises(StartError), part:
        pass
    assert not is_alive(part.started)
    assert not part.folder.exists()


def test_an_impatient_ctrl_c_does_not_break_into_the_clean_up(tmp_path: Path) -> None:
    program = f"""
        import pathlib, time
        from demo.process import exit_on_signals
        exit_on_signals()
        folder = pathlib.Path({str(tmp_path)!r})
        try:
            (folder / "begun").touch()
            time.sleep(60)
        finally:
            (folder / "cleaning").touch()
            time.sleep(0.5)
            (folder / "cleaned").touch()
    """
    ours = subprocess.Popen(python(program), cwd=ROOT)
    wait_for((tmp_path / "begun").exists)
    ours.send_signal(signal.SIGINT)
    wait_for((tmp_path / "cleaning").exists)
    ours.send_signal(signal.SIGINT)
    ours.send_signal(signal.SIGTERM)
    assert ours.wait(10) == 128 + signal.SIGINT
    assert (tmp_path / "cleaned").exists()


def test_a_test_run_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    pid_file, temporary = tmp_path / "pid", tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure")
    test = tmp_path / "test_endless.py"
    test.write_text(
        textwrap.dedent(f"""
        import pathlib, sys, time
        from demo.process import Part
        class Sleeper(Part):
            def start(self):
                child = self._run([sys.executable, "-c", "import time; time.sleep(60)"], log=self.folder / "log")
                pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))
        def test():
            with Sleeper("test"):
                while True:
                    time.sleep(0.01)
        """)
    )
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider", str(test)]
    ours = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    wait_for(lambda: pid_file.exists() and pid_file.read_text() != "", within=40)
    ours.send_signal(signal.SIGTERM)
    assert ours.wait(10) == pytest.ExitCode.INTERRUPTED
    assert not is_alive(int(pid_file.read_text()))
    assert not list(temporary.glob("site_devices-*"))


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
        taken.bind(("127.0.0.1", port))


@pytest.mark.usefixtures("socket_enabled")
def test_a_child_that_does_not_listen_is_quoted(log: Path) -> None:
    child = Child(python("print('no such option'); raise SystemExit(3)"), log=log)
    with pytest.raises(StartError, match=r"Thing ended with code 3(.|\n)*no such option"):
        wait_for_port(free_port(), child, name="Thing", log=log, within=5)
    child.kill()


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == "(nothing)"
