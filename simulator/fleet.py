"""A fleet that publishes, with faults on demand.

In: devices, a function that publishes, and requests for faults from any thread. Out: messages, and a book of what was
sent. One thread serves all devices, in the order of their turns.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import json
from random import Random
import threading
import time
from typing import Self

from .devices import Device, Payload, heartbeat, input_data, output_data
from .schedule import Schedule

REST = 0.005  # seconds between two rounds: sending a few messages at once costs half as much as one by one

type Publish = Callable[[str, str], bool]
"""Takes topic and payload, returns whether the message went out."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks, in seconds: `wall` since the epoch, `monotonic` as in time.monotonic()."""

    wall: float
    monotonic: float


@dataclass(slots=True)
class Book:
    """What was published, to compare Home Assistant with."""

    counts: Counter[str] = field(default_factory=lambda: Counter(heartbeat=0, input=0, output=0, failed=0))
    """Messages by channel; "failed" are those never sent, for lack of a connection."""
    last_heartbeat: dict[str, Moment] = field(default_factory=dict)
    """By serial: the moment just before its last heartbeat was sent."""

    @property
    def sent(self) -> int:
        """The number of messages sent."""
        return self.counts.total() - self.counts["failed"]


class Fleet:
    """All devices of one site. A fault is in effect when its call returns: a silenced device sends nothing more."""

    def __init__(
        self,
        devices: Sequence[Device],
        publish: Publish,
        *,
        interval: float = 10.0,
        jitter: float = 0.1,
        data_every: int = 3,
        seed: int = 0,
    ) -> None:
        """Take the devices; `start` begins to send.

        A device sends data with its first heartbeat and then with every `data_every`-th; 0 means never.
        """
        self.devices = {device.serial: device for device in devices}
        self.book = Book()
        self._publish = publish
        self._interval = interval
        self._jitter = jitter
        self._data_every = data_every
        self._chance = Random(seed)
        self._order = tuple(devices)
        self._turns = [0] * len(self._order)
        self._silent: set[str] = set()
        self._begun = time.monotonic()
        self._lock = threading.RLock()  # held for each device's turn, so that no fault begins in the middle of one
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start to publish."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop publishing."""
        self.stop()

    def start(self) -> None:
        """Start to publish, in a thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop publishing; returns after the last message."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def silence(self, *serials: str) -> None:
        """Let devices fall silent.

        Raises:
            KeyError: There is no such device.

        """
        with self._lock:
            self._silent.update(self._known(serials))

    def silence_all(self) -> None:
        """Let every device fall silent."""
        self.silence(*self.devices)

    def bring_back(self, *serials: str) -> None:
        """Let silent devices send again, each starting with a heartbeat at once, as after a power cut.

        Raises:
            KeyError: There is no such device.

        """
        with self._lock:
            back = self._silent & self._known(serials)
            self._silent -= back
            for serial in back:
                self.beat(serial)

    @property
    def silent(self) -> frozenset[str]:
        """The serials of the devices that are silent."""
        with self._lock:
            return frozenset(self._silent)

    def beat(self, serial: str) -> None:
        """Send one heartbeat at once, out of turn, even if the device is silent.

        Raises:
            KeyError: There is no such device.

        """
        with self._lock:
            device = self.devices[serial]
            moment = Moment(time.time(), time.monotonic())
            payload = heartbeat(device, moment.wall, moment.monotonic - self._begun, self._chance)
            if self._send(device, "heartbeat", payload):
                self.book.last_heartbeat[serial] = moment

    def _known(self, serials: Sequence[str]) -> set[str]:
        if unknown := set(serials) - self.devices.keys():
            raise KeyError(f"no such device: {', '.join(sorted(unknown))}")
        return set(serials)

    def _run(self) -> None:
        schedule = Schedule(
            len(self._order),
            start=time.monotonic(),
            interval=self._interval,
            jitter=self._jitter,
            chance=self._chance,
        )
        while (due := schedule.next_due()) is not None:
            if self._stopping.wait(max(REST, due - time.monotonic())):
                return
            while (index := schedule.take_due(time.monotonic())) is not None and not self._stopping.is_set():
                self._take_turn(index)

    def _take_turn(self, index: int) -> None:
        device = self._order[index]
        with self._lock:
            if device.serial in self._silent:
                return
            self.beat(device.serial)
            if self._has_data(index):
                now = time.time()
                self._send(device, "input", input_data(device, now, self._chance))
                self._send(device, "output", output_data(device, now))
            self._turns[index] += 1

    def _has_data(self, index: int) -> bool:
        turn = self._turns[index]
        # After the first turn, devices alternate with their data; otherwise all of it would come in one interval.
        return self._data_every > 0 and (turn == 0 or (turn + index) % self._data_every == 0)

    def _send(self, device: Device, channel: str, payload: Payload) -> bool:
        sent = self._publish(device.topic(channel), json.dumps(payload, ensure_ascii=False))
        self.book.counts[channel if sent else "failed"] += 1
        return sent
