"""The language of the fault tests: real processes side by side, what Home Assistant says of its states, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from datetime import datetime
import threading
import time
from typing import Any, NamedTuple, Self

import aiohttp
import pytest
import pytest_socket

from harness.home_assistant import HomeAssistant
from harness.stack import Stack, running_stack
from harness.waiting import PATIENCE, interrupted, until
from harness.websocket import connect
from simulator.devices import Device, make_devices
from tests import SITE
from tests.harness import needs_home_assistant, needs_mosquitto, newest_only

needs_broker = [pytest.mark.usefixtures("socket_enabled"), needs_mosquitto]
needs_processes = [*needs_broker, newest_only, needs_home_assistant]


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
            changes = socket.changes()
            self._loop.call_soon(self._subscribed.set)
            async for change in changes:
                states = [change[name] and change[name]["state"] for name in ("old_state", "new_state")]
                self.changes.append(Change(time.monotonic(), change["entity_id"], *states))


def running(
    devices: Sequence[Device] | None = None, *, options: Mapping[str, Any] | None = None, **more: Any
) -> AbstractContextManager[Stack]:
    """Run a stack with one site for the length of a `with` block; three dataloggers and a gateway if no fleet is given.

    Args:
        devices: The fleet.
        options: Those of the site's entry.
        more: As in `running_stack`.

    """
    devices = make_devices(SITE, dataloggers=3, gateways=1) if devices is None else devices
    return running_stack(devices, data_every=0, sites={SITE: options or {}}, **more)


def diagnostics(stack: Stack) -> dict[str, Any]:
    """Return the diagnostics of the site."""
    return stack.home_assistant.diagnostics(SITE)


def heard_since(stack: Stack, moment: datetime) -> int:
    """Return how many devices have been heard since."""
    times = [device["last_heartbeat"] for device in diagnostics(stack)["devices"]]
    return sum(bool(time) and datetime.fromisoformat(time) > moment for time in times)


type Figures = dict[str, Any]
type Scenario = Callable[[], Figures]


def side_by_side(scenarios: Mapping[str, Scenario]) -> dict[str, Future[Figures]]:
    """Let several faults happen at once, each with a stack of its own, and return what came of each."""
    pytest_socket.enable_socket()
    interrupted.clear()
    with ThreadPoolExecutor() as pool:
        outcomes = {name: pool.submit(scenario) for name, scenario in scenarios.items()}
        try:
            wait(outcomes.values())
        except BaseException:  # the run is interrupted, or the test's time is over
            interrupted.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def wait_until_all(stack: Stack, *, within: float = PATIENCE) -> dict[str, str]:
    """Wait until the whole fleet is there and on; return its connectivity entities by serial number."""

    def all_on() -> dict[str, str]:
        on = {serial: id_ for (_, serial), id_ in stack.home_assistant.online(SITE).items()}
        return on if on.keys() >= stack.fleet.devices.keys() else {}

    return until(all_on, within=within, poll=1)
