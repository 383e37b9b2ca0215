"""Scenes: a site and its devices, a broker, a line and a loop that fail, on a clock that jumps; all of it from one seed.

The world knows what was true and when: who is dead since when, and during which times nothing could be heard. What the
site makes of it is compared with that by three rules (`check`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import random
from typing import Any, Final

from custom_components.site_devices.core.device import Change, ChangeKind
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Heartbeat
from custom_components.site_devices.site.digest import Digest
from custom_components.site_devices.site.storage import record_from, record_of
from custom_components.site_devices.site.watch import Watch

from .slow_motion import SlowMotion

DEADLINE: Final = 30.0
PATIENCE: Final = 125.0  # what MQTT needs to notice a dead line
RECONNECT: Final = 10.0  # seconds between two tries of Home Assistant's client
QUIET: Final = 320.0  # at the end of a scene nothing fails: whoever is dead must be off, and be told so
SLACK: Final = 5.0  # reading what has arrived, and the last answer of the line
TEXTS: Final = {f"event_{kind}_{number}": "" for kind in ChangeKind for number in ("one", "many")}


@dataclass
class Device:
    """A device in the field."""

    serial: str
    every: float
    dead_since: float | None = None
    revived: float = 0.0
    due: float = 0.0  # its next heartbeat
    arrivals: list[float] = field(default_factory=list)  # what the site was handed


class Site:
    """The rooms of a site, joined as `site.Site` joins them; it is made anew at each restart."""

    def __init__(self, world: World, stored: list[dict[str, Any]], monitoring: bool) -> None:
        loop = world.loop
        self.world = world
        self.monitoring = monitoring
        self.listening = False
        self.fleet = Fleet(offline_after=DEADLINE, max_devices=100)
        self.fleet.restore(map(record_from, stored), ())
        self.watch = Watch(
            loop, self.fleet, send_echo=lambda number: world.publish_echo(self, number), dispatch=self.tell
        )
        self.digest = Digest(
            loop, "site", self.fleet, lambda record: {"serial": record.serial, "name": ""}, on_told=lambda: None
        )
        self.digest.sink = self.happened
        self.digest.async_start(TEXTS, allowed=monitoring)
        self.readers = (self.watch.async_handle, world.hear, self.digest.async_handle)

    def message(self, serial: str) -> None:
        now = self.world.loop.time()
        self.watch.async_message(now)
        beat = Heartbeat(f"gateway/{serial}", serial, retained=False, timestamp=None, info=None, data={})
        changes = self.fleet.heartbeat(beat, now=now, wall=now)
        assert not isinstance(changes, str)
        self.tell(changes)

    def set_listening(self, listening: bool) -> None:
        self.listening = listening
        self.judge_from(self.watch.async_connected(PATIENCE) if listening else self.watch.async_lost())

    def set_monitoring(self, monitoring: bool) -> None:
        self.monitoring = monitoring
        self.digest.async_allow(monitoring)
        self.judge_from(self.world.loop.time())

    def judge_from(self, since: float) -> None:
        if self.listening and self.monitoring:
            self.watch.async_resume(since)
            self.digest.async_review()
        else:
            self.watch.async_pause(since)

    def tell(self, changes: Sequence[Change]) -> None:
        for change in changes:
            for hear in self.readers:
                hear(change)

    def happened(self, kind: str, attributes: dict[str, Any]) -> None:
        for device in attributes["devices"]:
            if kind in ("online", "offline"):
                self.world.told.setdefault(device["serial"], []).append(kind)

    def stop(self) -> list[dict[str, Any]]:
        """Stop, and return what is stored."""
        self.watch.async_stop()
        self.digest.async_allow(False)
        now = self.world.loop.time()
        return [record_of(record, self.fleet.silence(record, now)) for record in self.fleet.records.values()]


class World:
    """What is true."""

    def __init__(self, seed: int) -> None:
        self.random = chance = random.Random(seed)
        self.loop = SlowMotion()
        self.began = self.loop.now
        self.end = self.began + chance.choice([400, 700])
        self.unheard: list[tuple[float, float]] = []  # from, to: what was sent then is lost, or comes late
        self.held: list[tuple[float, float]] = []  # what was sent then is read when the loop goes on
        self.told: dict[str, list[str]] = {}
        self.wrong: list[str] = []
        self.connected = True
        self.frozen_since: float | None = None
        self.held_back: list[Callable[[], None]] = []  # by a frozen broker
        self.unanswered = 0  # asks in a row
        self.echo = chance.choice(["through", "dropped", "late", "uneven", "lossy"])
        self.lateness = chance.uniform(0, 10)
        self.loss = chance.uniform(0, 0.5)
        self.devices = {
            str(number): Device(str(number), chance.uniform(5, 25))
            for number in range(chance.choice([1, 1, 2, 3, 5, 10, 25, 50]))
        }
        self.site = Site(self, [], monitoring=True)
        self.site.set_listening(True)
        for device in self.devices.values():
            self.loop.call_later(chance.uniform(0, device.every), self.beat, device)
            if chance.random() < 0.5:
                self.loop.call_at(chance.uniform(self.began, self.end), self.die, device)
        faults = [self.freeze, self.restart_broker, self.flap, self.hold, self.restart, self.switch]
        faults = chance.sample(faults, chance.choice([0, 1, 1, 2, 3]))
        at = self.began + chance.uniform(5, 60)
        while faults and at < self.end:
            at += chance.choice(faults)(at) + chance.choice([2, 20, 25, 40, 100])

    def run(self) -> list[str]:
        """Play the scene, and return what went wrong."""
        self.loop.run(self.end + QUIET - self.began)
        self.check()
        self.site.stop()
        self.loop.close()
        return self.wrong

    # The field

    def beat(self, device: Device) -> None:
        """Send a heartbeat, and the next one in time."""
        device.due = self.loop.time() + device.every * self.random.uniform(0.9, 1)
        self.loop.call_at(device.due, self.beat, device)
        if device.dead_since is None:
            self.deliver(lambda: self.arrive(device))

    def arrive(self, device: Device) -> None:
        device.arrivals.append(self.loop.time())
        self.site.message(device.serial)

    def die(self, device: Device) -> None:
        """Fall silent; a third comes back later."""
        device.dead_since = self.loop.time()
        if self.random.random() < 0.33:
            self.loop.call_later(self.random.uniform(10, 250), self.revive, device)

    def revive(self, device: Device) -> None:
        if self.site.listening and not self.site.fleet.paused and self.frozen_since is None:
            self.check_death(device)
        device.dead_since = None
        device.revived = self.loop.time()

    def publish_echo(self, site: Site, number: int) -> None:
        """Send an echo back, or not, or late."""
        self.unanswered += 1
        if not self.connected or self.echo == "dropped" or (self.echo == "lossy" and self.random.random() < self.loss):
            return
        delay = {"late": self.lateness, "uneven": self.random.uniform(0, 10)}.get(self.echo, 0.0)

        def come_back() -> None:
            if site is self.site and self.connected:
                self.unanswered = 0
                site.watch.async_echo(number)

        self.loop.call_later(0.002 + delay, self.deliver, come_back)

    def deliver(self, what: Callable[[], None]) -> None:
        """Bring something from the broker to the site, if there is a way."""
        if self.frozen_since is not None:
            self.held_back.append(what)
        elif self.connected:
            what()

    # What fails; each returns for how many seconds at most

    def freeze(self, at: float) -> float:
        """The broker says nothing for a while; MQTT notices when that takes too long."""
        length = self.random.choice([1, 5, 20, 60, 90, 200])
        self.loop.call_at(at, self.begin_freeze)
        if length > PATIENCE:
            self.loop.call_at(at + PATIENCE, self.lose, length - PATIENCE)
            return length + RECONNECT
        self.loop.call_at(at + length, self.thaw)
        return length

    def begin_freeze(self) -> None:
        if self.connected:
            self.frozen_since = self.loop.time()

    def thaw(self) -> None:
        if self.frozen_since is None:
            return
        if self.loop.time() - self.frozen_since > 2:  # else nobody notices, nor need
            self.unheard.append((self.frozen_since, self.loop.time()))
        self.frozen_since = None
        held_back, self.held_back = self.held_back, []
        for what in held_back:
            what()

    def restart_broker(self, at: float) -> float:
        """The connection is lost at once; devices connect again later than Home Assistant."""
        away = self.random.uniform(0.1, 40)
        self.loop.call_at(at, self.lose, away)
        return away + RECONNECT + 30

    def lose(self, away: float) -> None:
        now = self.loop.time()
        if self.connected:
            since = now if self.frozen_since is None else self.frozen_since
            self.connected = False
            self.frozen_since = None
            self.held_back.clear()
            self.site.set_listening(False)
            self.loop.call_at(now + (away // RECONNECT + 1) * RECONNECT, self.reconnect, since)

    def reconnect(self, since: float) -> None:
        self.connected = True
        self.unheard.append((since, self.loop.time()))
        self.site.set_listening(True)

    def flap(self, at: float) -> float:
        """A second client takes our place, again and again."""
        self.loop.call_at(at, self.lose, 0.0)
        return RECONNECT

    def hold(self, at: float) -> float:
        """Something else holds the loop."""
        length = self.random.choice([1, 3, 10, 45])
        self.loop.call_at(at, self.hold_now, length)
        return length

    def hold_now(self, length: float) -> None:
        now = self.loop.time()
        self.held.append((now, now + length))
        self.loop.hold(length)

    def restart(self, at: float) -> float:
        """Home Assistant restarts, or only the entry is loaded again."""
        away = self.random.choice([0, 0, 20, 60])
        self.loop.call_at(at, self.stop, away)
        return away

    def stop(self, away: float) -> None:
        stored = self.site.stop()
        self.connected = False
        self.loop.call_later(away, self.start, stored, self.loop.time())

    def start(self, stored: list[dict[str, Any]], since: float) -> None:
        self.site = Site(self, stored, self.site.monitoring)
        self.reconnect(since)

    def switch(self, at: float) -> float:
        """Monitoring is off for a while."""
        away = self.random.choice([1, 20, 100])
        self.loop.call_at(at, lambda: self.site.set_monitoring(False))
        self.loop.call_at(at + away, lambda: self.switch_on(at))
        return away

    def switch_on(self, since: float) -> None:
        self.unheard.append((since, self.loop.time()))
        self.site.set_monitoring(True)

    # What must hold

    def listened(self, since: float, until: float, unheard: list[tuple[float, float]]) -> float:
        """Return for how many seconds something could be heard."""
        lost, end = 0.0, since
        for start, stop in sorted(unheard):
            if min(stop, until) > max(start, end):
                lost += min(stop, until) - max(start, end)
                end = min(stop, until)
        return until - since - lost

    def hear(self, change: Change) -> None:
        """A device that beats is off only if nothing came for a deadline in which something could have come."""
        if change.kind is not ChangeKind.OFFLINE:
            return
        record = change.record
        now = self.loop.time()
        device = self.devices[record.serial]
        heard = device.arrivals[-1]
        if device.dead_since is not None or device.revived > heard:
            return
        until = now if self.frozen_since is None else self.frozen_since
        if self.frozen_since is not None and self.unanswered >= 3:
            return  # where the echo is not let through, a frozen broker can't be told from silence
        over = [stop for start, stop in self.unheard if stop > heard]
        since = min(over, default=heard)
        if device.due < now or self.listened(since, until, self.unheard) < DEADLINE - 0.01:
            self.wrong.append(f"{record.serial} off at {now - self.began:.1f}, heard at {heard - self.began:.1f}")

    def check_death(self, device: Device) -> None:
        """A device that is dead is off after two deadlines of listening, and what MQTT needs to notice a dead line."""
        now = self.loop.time()
        record = self.site.fleet.records.get(f"gateway/{device.serial}")
        if device.dead_since is None or record is None or not record.online:
            return
        listened = self.listened(device.dead_since, now, self.unheard + self.held)
        if listened > 2 * DEADLINE + PATIENCE + SLACK:
            self.wrong.append(f"{device.serial} on, dead since {device.dead_since - self.began:.1f}, {listened:.1f} s")

    def check(self) -> None:
        """At the end whoever is dead is off, and what was told last is true; nobody was told the same twice in a row."""
        for device in self.devices.values():
            record = self.site.fleet.records.get(f"gateway/{device.serial}")
            if record is None:  # it died before it was ever heard
                continue
            self.check_death(device)
            told = self.told.get(device.serial, [])
            if told != ["offline", "online"] * (len(told) // 2) + ["offline"] * (len(told) % 2):
                self.wrong.append(f"{device.serial} was told {told}")
            if record.online is not (len(told) % 2 == 0):
                self.wrong.append(f"{device.serial} is online: {record.online}, and was told {told}")
