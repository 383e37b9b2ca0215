"""The language of the tests over the wire: devices with an MQTT client of their own, and waiting for what they bring about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
import json
import threading
import time
from typing import Any, NamedTuple, Self

from homeassistant.components import mqtt
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.site.site import Site
from tests import SITE

BEAT_EVERY = 0.2  # seconds
PATIENCE = 30.0  # seconds; generous, since a busy machine is no bug


class Device(NamedTuple):
    """Where a device publishes, and as whom."""

    address: str = "datalogger/monstro/1"
    serial: str = "TEST123"
    site: str = SITE

    @property
    def key(self) -> str:
        return f"{self.address.partition('/')[0]}/{self.serial}"


DEVICE = Device()


class Devices:
    """Devices in the field. Those that are `alive` send heartbeats, from a thread: whatever holds Home Assistant's loop."""

    def __init__(self, port: int) -> None:
        self.alive: set[Device] = set()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        self._port = port
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, retain=retain)

    def heartbeat(self, device: Device = DEVICE, *, retain: bool = False) -> None:
        payload = json.dumps({"serial_number": device.serial})
        self.publish(f"{device.site}/{device.address}/heartbeat", payload, retain=retain)

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_EVERY):
            for device in tuple(self.alive):
                self.heartbeat(device)


class History:
    """The states of our entities from now on, and when they came (the loop's clock)."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.changes: list[tuple[float, str, str | None]] = []

        @callback
        def changed(event: Event[EventStateChangedData]) -> None:
            state = event.data["new_state"]
            self.changes.append((hass.loop.time(), event.data["entity_id"], state.state if state else None))

        self.close = hass.bus.async_listen("state_changed", changed)

    def of(self, entity_id: str) -> list[str | None]:
        return [state for _, changed, state in self.changes if changed == entity_id]

    def when(self, entity_id: str, state: str) -> float:
        return next(at for at, changed, became in self.changes if changed == entity_id and became == state)


class Connection:
    """When Home Assistant was connected, from now on (the loop's clock)."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.changes: list[tuple[float, bool]] = []
        mqtt.async_subscribe_connection_status(hass, lambda up: self.changes.append((hass.loop.time(), up)))

    def losses(self, start: float, end: float) -> int:
        return sum(start < at < end for at, up in self.changes if not up)

    def seconds(self, start: float, end: float) -> float:
        """Return for how long it was connected between two moments, at both of which it was."""
        within = [(at, up) for at, up in self.changes if start < at < end]
        ends = [(start, True), *within, (end, False)]
        return sum(later - at for (at, up), (later, _) in pairwise(ends) if up)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something has come about."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        await asyncio.sleep(0.05)


def site_of(entry: MockConfigEntry) -> Site:
    """Return the site that an entry is at work for."""
    site = entry.runtime_data
    assert isinstance(site, Site)
    return site


async def heard(entry: MockConfigEntry) -> None:
    """Wait until a site receives messages that are sent from now on."""
    site = site_of(entry)
    messages = site.watch.messages
    await until(lambda: site.watch.messages > messages + 1)
