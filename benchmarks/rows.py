"""Rows: what is measured. Each takes the contestants in turn, several times, and adds to the series.

A series is the list of what one contestant of one size did, repetition by repetition: its n-th is compared with the n-th of
another, measured right before or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness.broker import Broker
from simulator.connection import Connection

from .cast import Process, on_stage
from .player import BEGIN, END
from .traffic import devices, heartbeats, message

type Series = dict[str, list[float]]  # by `{measure}/{contestant}/{size}`
type Say = Callable[[str], None]

REPETITIONS: Final = 5
SMALL, MEDIUM, LARGE = 100, 1_000, 9_900
WITH_DATA: Final = 800  # with ten values each they come near the 10,000 entities that Home Assistant allows an entry
_HEARTBEATS: Final = 10_000  # of a repetition, at least
_DATA: Final = 1_600
_OVER_THE_WIRE: Final = 3 * LARGE


def heartbeat(port: int, series: Series, say: Say) -> None:
    """What a heartbeat costs, what it costs when all fall silent at one moment, and when all come back."""
    names = ("floor_a", "floor_b", "core_expire_after", "core_off_delay", "timer", "poll", "ours")
    for size in (SMALL, MEDIUM, LARGE):
        with on_stage(names, size, repeat(port), ("start", "introduce", "quiet")) as players:
            say(f"heartbeats, {size:,} devices")
            for _ in range(REPETITIONS):
                for player in players:
                    _add(series, "heartbeat", player, player.ask("heartbeat", _HEARTBEATS))
            say(f"silence, {size:,} devices")
            for _ in range(REPETITIONS):
                for player in players:
                    if player.name in {"core_expire_after", "timer", "ours"}:
                        _add_all(series, "silence", player, player.ask("silence"))
            if size == LARGE:
                say(f"silence in real time, {size:,} devices")
                for _ in range(REPETITIONS):
                    _add(series, "real_time", players[-1], players[-1].ask("real_time"))


def data(port: int, series: Series, say: Say) -> None:
    """What a message of ten values costs, and a heartbeat of a device that has them."""
    for size in (SMALL, WITH_DATA):
        with on_stage(
            ("core_data", "ours_data", "floor_b"), size, repeat(port), ("start", "introduce", "quiet")
        ) as players:
            say(f"data, {size} devices of 10 values")
            for _ in range(REPETITIONS):
                for player in players[:2]:
                    _add(series, "data", player, player.ask("data", _DATA))
                for player in players[1:]:
                    _add(series, "heartbeat_beside_data", player, player.ask("heartbeat", _HEARTBEATS))


def discovery(port: int, series: Series, say: Say) -> None:
    """What it takes to get to know a fleet, and how much memory, and to know it again after a restart."""
    for size in (MEDIUM, LARGE):
        for repetition in range(REPETITIONS):
            say(f"discovery and restart, {size:,} devices, {repetition + 1} of {REPETITIONS}")
            names = ("core_expire_after", "ours")
            for name in ("floor_a", *names) if size == LARGE and repetition == 0 else names:
                with TemporaryDirectory(prefix="site_devices-bench-", ignore_cleanup_errors=True) as folder:
                    _discover(Process(name, size, port, folder=Path(folder)), series)
                    if size == LARGE and name != "floor_a":
                        with Process(name, size, port, folder=Path(folder)) as player:
                            _add(series, "restart", player, player.ask("restart"))


def wire(_port: int, series: Series, say: Say) -> None:
    """How many messages a second come through a real connection, from a broker that serves nobody else."""
    messages = [message(BEGIN, {}), *heartbeats(devices(LARGE)) * (_OVER_THE_WIRE // LARGE), message(END, {})]
    names = ("floor_a", "floor_b", "ours")
    with ExitStack() as stack:
        # it keeps what can't be read fast enough
        brokers = [stack.enter_context(Broker(settings=["max_queued_messages 0"])) for _ in names]
        ports = [broker.port for broker in brokers]
        players = stack.enter_context(
            on_stage(names, LARGE, ports, ("start", "introduce", "quiet", "listen"), protocol="5")
        )
        say(f"over the wire, {LARGE:,} devices")
        for _ in range(REPETITIONS):
            for player, port in zip(players, ports, strict=True):
                with Connection(port=port) as connection:
                    for each in messages:
                        connection.publish(each.topic, each.payload)
                    connection.flush()  # the player is blocked: it finds them all when it is asked
                _add(series, "wire", player, _OVER_THE_WIRE / player.ask("wire"))


ROWS: Final[Mapping[str, Callable[[int, Series, Say], None]]] = {
    "heartbeat": heartbeat,
    "data": data,
    "discovery": discovery,
    "wire": wire,
}


def _discover(process: Process, series: Series) -> None:
    with process as player:
        player.ask("start")
        answer = player.ask("introduce")
        if player.name != "floor_a":
            _add_all(series, "discovery", player, answer)
        if player.size == LARGE:
            _add(series, "memory", player, player.ask("memory"))
            player.ask("save")


def _add(series: Series, measure: str, player: Process, value: float) -> None:
    series.setdefault(f"{measure}/{player.name}/{player.size}", []).append(value)


def _add_all(series: Series, measure: str, player: Process, values: Mapping[str, float]) -> None:
    for what, value in values.items():
        _add(series, f"{measure}_{what}", player, value)
