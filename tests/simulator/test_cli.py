"""The command line tells what is wrong, and what to do."""

import socket
from unittest.mock import MagicMock

import pytest

from simulator.cli import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--interval", "0"], "--interval must be above 0"),
        (["--jitter", "2"], "--jitter from 0 to 1"),
        (["--dataloggers", "2", "--gateways", "0", "--silent", "3"], "more than there are"),
        (["--site", "a/b"], "one topic level"),
        (["--site", ""], "one topic level"),
        (["--gateways", "-1"], "whole number"),
    ],
)
def test_wrong_options(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.usefixtures("socket_enabled")
def test_no_broker(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # Ctrl-C is for the test run
    assert main(["--port", str(unused_port)]) == 1
    complaint = capsys.readouterr().err
    assert f"127.0.0.1:{unused_port}" in complaint
    assert "--port" in complaint


def test_the_last_devices_are_the_silent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    silent: list[frozenset[str]] = []
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("simulator.cli.Connection", MagicMock())
    monkeypatch.setattr("simulator.cli._report", lambda fleet, *_: silent.append(fleet.silent))
    assert main(["--dataloggers", "3", "--gateways", "1", "--silent", "2"]) == 0
    assert silent == [{"MON-00002", "GW-00001"}]


@pytest.fixture
def unused_port(socket_enabled: None) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
