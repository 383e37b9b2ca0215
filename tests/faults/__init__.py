"""The language of the fault tests: real processes side by side, what Home Assistant says of its states, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
import importlib.util
from pathlib import Path
import shutil
import sys
import threading
import time
from typing import Any, NamedTuple, Self

import aiohttp
import pytest
import pytest_socket

from demo import seed
from demo.broker import SYSTEM_PATHS, Broker
from demo.home_assistant import ROOT, HomeAssistant
from demo.stack import Stack
from demo.websocket import connect
from simulator.connection import Connection
from simulator.devices import Device, make_devices
from simulator.fleet import Fleet
from tests import SITE

PATIENCE = 60.0  # seconds; generous, since a busy machine is no bug
POLL = 0.2

has_mosquitto = any(shutil.which("mosquitto", path=path) for path in (None, *SYSTEM_PATHS))
has_demo = (ROOT / ".venv/demo/ready").exists() and bool(importlib.util.find_spec("bcrypt"))

needs_processes = [
    pytest.mark.skipif(sys.version_info < (3, 14), reason="runs with the newest Home Assistant's tests only"),
    pytest.mark.skipif(not has_mosquitto, reason="needs Mosquitto"),
    pytest.mark.skipif(not has_demo, reason="needs the Home Assistant of the demo"),
    pytest.mark.usefixtures("socket_enabled"),
]


class Change(NamedTuple):
    """A state that was written; `at` is when we heard of it, on the monotonic clock."""

    at: float
    entity_id: str
    before: str | None
    after: str | None


class Watch:
    """All state changes of a Home Assistant in a `with` block, heard over its websocket interface by a thread."""

    def __init__(self, home_assistant: HomeAssistant) -> None:
        self.changes: list[Change] = []
        self._url = home_assistant.url
        self._token = home_assistant.token
        self._subscribed = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._subscribed.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def of(self, *entities: str) -> list[Change]:
        """Return what happened to these entities, in order."""
        return [change for change in list(self.changes) if change.entity_id in entities]

    def states(self, entities: Iterable[str]) -> set[str | None]:
        """Return which states these entities have taken on."""
        wanted = set(entities)
        return {change.after for change in list(self.changes) if change.entity_id in wanted}

    def _run(self) -> None:
        self._task = self._loop.create_task(self._listen())
        with suppress(asyncio.CancelledError, aiohttp.ClientError, TypeError):  # it ends with Home Assistant
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _listen(self) -> None:
        async with connect(self._url, self._token) as socket:
            await socket.ask("config/entity_registry/list")
            events = socket.events()
            self._loop.call_soon(self._subscribed.set)
            async for event in events:
                states = [event[name] and event[name]["state"] for name in ("old_state", "new_state")]
                self.changes.append(Change(time.monotonic(), event["entity_id"], *states))


@contextmanager
def running(
    devices: Sequence[Device] | None = None,
    *,
    site: str = SITE,
    options: Mapping[str, Any] | None = None,
    interval: float = 10.0,
    data_every: int = 0,
    silent: Iterable[str] = (),
    login: tuple[str, str] | None = None,
    acl: str | None = None,
    persistent: bool = False,
    mqtt: Mapping[str, Any] | None = None,
    components: Any = ROOT / "custom_components",
    python: Path = ROOT / ".venv/demo/bin/python",
) -> Iterator[Stack]:
    """Run broker, fleet and Home Assistant for the length of a `with` block.

    Args:
        devices: The fleet; three dataloggers and a gateway if not given.
        site: The code of the one site.
        options: Those of the site's entry.
        interval: Seconds between two heartbeats of a device.
        data_every: As in `Fleet`.
        silent: The serials that send nothing yet.
        login: User and password of everybody; without, nobody needs one.
        acl: The broker's access list.
        persistent: Whether the broker's retained messages outlive it.
        mqtt: Further data of the MQTT entry, such as `{"keepalive": 15}`.
        components: The folder of custom components.
        python: The interpreter that has Home Assistant.

    """
    devices = make_devices(site, dataloggers=3, gateways=1) if devices is None else devices
    user, password = login or (None, None)
    users = {user: password} if user and password else None
    site_entry = seed.site_entry(site)
    site_entry["options"] = dict(options or {})
    with (
        Broker(users=users, acl=acl, persistent=persistent) as broker,
        Connection(broker.host, broker.port, username=user, password=password, client_id="simulator") as connection,
    ):
        mqtt_entry = seed.mqtt_entry(broker.host, broker.port, username=user, password=password)
        mqtt_entry["data"].update(mqtt or {})
        fleet = Fleet(devices, connection.publish, interval=interval, data_every=data_every)
        fleet.silence(*silent)
        home_assistant = HomeAssistant([mqtt_entry, site_entry], components=components, python=python)
        with (home_assistant.folder / "configuration.yaml").open("a", encoding="utf-8") as configuration:
            configuration.write("diagnostics:\n")
        with fleet, home_assistant:
            yield Stack(broker, home_assistant, connection, fleet)


def diagnostics(stack: Stack, site: str = SITE) -> dict[str, Any]:
    """Return the diagnostics of the site."""
    entry_id = seed.site_entry(site)["entry_id"]
    data = stack.home_assistant.get(f"/api/diagnostics/config_entry/{entry_id}")["data"]
    assert isinstance(data, dict)
    return data


def heard_since(stack: Stack, moment: datetime) -> int:
    """Return how many devices have been heard since."""
    times = [device["last_heartbeat"] for device in diagnostics(stack)["devices"]]
    return sum(bool(time) and datetime.fromisoformat(time) > moment for time in times)


type Figures = dict[str, Any]
type Scenario = Callable[[], Figures]


def side_by_side(scenarios: Mapping[str, Scenario]) -> dict[str, Future[Figures]]:
    """Let several faults happen at once, each with a stack of its own, and return what came of each."""
    pytest_socket.enable_socket()
    with ThreadPoolExecutor() as pool:
        return {name: pool.submit(scenario) for name, scenario in scenarios.items()}


def connectivity(stack: Stack, site: str = SITE) -> dict[str, str]:
    """Return the connectivity entities by serial number."""
    return {serial: id_ for (_, serial), id_ in stack.home_assistant.entity_ids(site, "connectivity").items()}


def wait_until_all(stack: Stack, state: str = "on", *, within: float = PATIENCE) -> dict[str, str]:
    """Wait until the whole fleet is there and in a state; return its connectivity entities by serial number."""
    found: dict[str, str] = {}

    def reached() -> bool:
        nonlocal found
        if len(found) < len(stack.fleet.devices):
            found = connectivity(stack)
        states = stack.home_assistant.states()
        return found.keys() >= stack.fleet.devices.keys() and all(
            states[id_]["state"] == state for id_ in found.values() if id_ in states
        )

    until(reached, within=within)
    return found


def until(condition: Callable[[], Any], *, within: float = PATIENCE, poll: float = POLL) -> float:
    """Wait until something has come about; return how many seconds that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + within, "it has not come about"
        time.sleep(poll)
    return time.monotonic() - begun


def complaints(stack: Stack) -> list[str]:
    """Return what Home Assistant's log says of us at warning or above, tracebacks that go through us included."""
    return [
        line
        for line in stack.home_assistant.log_text().splitlines()
        if "site_devices" in line.replace("/site_devices-", "")  # the folder that all of it happens in
        and (" ERROR " in line or " WARNING " in line or line.startswith("  File "))
        and "We found a custom integration" not in line
    ]
