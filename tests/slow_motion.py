"""An event loop whose clock moves only when a test lets it, and a site's fleet and watch on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from custom_components.site_devices.core.device import Change, ChangeKind
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Heartbeat
from custom_components.site_devices.site.watch import Watch

OFFLINE_AFTER = 30.0
TOLERANCE = 1e-6


class SlowMotion(asyncio.BaseEventLoop):
    """asyncio's own turns: what was queued runs first, then what can be read, then what is due.

    Its clock stands still but for waiting, and for what a test says that something takes.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _run_once: Callable[[], None]

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.socket: deque[Callable[[], None] | None] = deque()  # what one turn after the other can read
        self._selector = self
        self._end = self.now

    def time(self) -> float:
        return self.now

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and then everything happen that it has set off."""
        self._end = self.now + seconds
        asyncio._set_running_loop(self)  # a task runs only on the running loop
        try:
            self._run_once()
            while self.now < self._end - TOLERANCE or self._ready:
                self._run_once()
        finally:
            asyncio._set_running_loop(None)

    def block(self, seconds: float, *, after: float = 0.0) -> None:
        """Let something else hold the loop."""
        self.call_later(after, self.hold, seconds)

    def timers(self) -> list[float]:
        """Return what is armed."""
        return [timer.when() for timer in self._scheduled if not timer.cancelled()]

    def select(self, timeout: float | None) -> list[Callable[[], None]]:
        if timeout is None or timeout > 0:
            remaining = max(self._end - self.now, 0.0)
            self.now += remaining if timeout is None else min(timeout, remaining)
        read = self.socket.popleft() if self.socket else None
        return [read] if read else []

    def _process_events(self, events: list[Callable[[], None]]) -> None:
        for event in events:
            self.call_soon(event)

    def hold(self, seconds: float) -> None:
        self.now += seconds


class Clockwork:
    """A fleet and its watch, joined as a site joins them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offline_after: float = OFFLINE_AFTER) -> None:
        self.loop = loop
        self.began = loop.time()
        self.fleet = Fleet(offline_after=offline_after, max_devices=9900)
        self.asked: list[float] = []  # when an echo was sent, after the beginning
        self.answered_after: float | None = None  # seconds until the broker sends an echo back; None: it does not
        self.watch = Watch(loop, self.fleet, send_echo=self._send, dispatch=self._tell)
        self.watch.async_resume(self.watch.async_connected(125.0))
        self.number = 0  # of the last echo that was sent
        self.offline: dict[str, float] = {}  # who flipped, and how long after the beginning
        self.when_one_flips: Callable[[], None] = lambda: None

    def beat(self, *serials: str) -> None:
        for serial in serials:
            self.watch.async_message(self.loop.time())
            heartbeat = Heartbeat(f"gateway/{serial}", "1", retained=False, timestamp=None, info=None, data={})
            changes = self.fleet.heartbeat(heartbeat, now=self.loop.time(), wall=0.0)
            assert not isinstance(changes, str)
            for change in changes:
                self.watch.async_handle(change)

    def flips_take(self, seconds: float, *, after: int = 0, then: Callable[[], object] = lambda: None) -> None:
        """Let the loop be held by each flip, and something have its turn after so many of them."""
        loop = self.loop
        assert isinstance(loop, SlowMotion)

        def take() -> None:
            loop.hold(seconds)
            if len(self.offline) == after:
                loop.call_soon(then)

        self.when_one_flips = take

    def _send(self, number: int) -> None:
        self.asked.append(self.loop.time() - self.began)
        self.number = number
        if self.answered_after is not None:
            self.loop.call_later(self.answered_after, self.echo, self.number)

    def echo(self, number: int | None = None) -> None:
        """Let an echo come through, the last one if not told otherwise."""
        self.watch.async_echo(self.number if number is None else number)

    def _tell(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self.watch.async_handle(change)
            if change.kind is ChangeKind.OFFLINE:
                self.offline[change.record.serial] = self.loop.time() - self.began
        self.when_one_flips()


def without_echo(loop: asyncio.AbstractEventLoop, offline_after: float = OFFLINE_AFTER) -> Clockwork:
    """Return a site whose broker ends the connection of who publishes: silence is silence at its deadline."""
    site = Clockwork(loop, offline_after)
    for _ in range(2):
        site.watch.link.ask(loop.time())
        site.watch.link.lost(loop.time())
        site.watch.link.connected(loop.time(), noticed_within=125.0)
    return site


def at(seconds: float) -> Any:
    """Return a time to compare with."""
    return pytest.approx(seconds, abs=0.001)
