"""The language of the tests over the wire: devices with an MQTT client of their own, and waiting for what they bring about."""

from __future__ import annotations

from itertools import pairwise
import json
import threading
from typing import Self

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from custom_components.site_devices.site.site import Site
from harness.waiting import async_until as until
from simulator.connection import Connection as Client
from simulator.devices import Device
from tests import SITE

__all__ = ["DEVICE", "Connection", "Device", "Devices", "heard", "make_device", "site_of", "until"]

BEAT_EVERY = 0.2  # seconds


def make_device(address: str = "datalogger/monstro/1", serial: str = "TEST123", site: str = SITE) -> Device:
    """Make a device by where it publishes, and as whom."""
    return Device(site=site, address=address, serial=serial)


DEVICE = make_device()


class Devices(Client):
    """Devices in the field. Those that are `alive` send heartbeats, from a thread: whatever holds Home Assistant's loop."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)
        self.alive: set[Device] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat)

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self.close()

    def heartbeat(self, device: Device = DEVICE, *, retain: bool = False) -> None:
        self.publish(device.topic("heartbeat"), json.dumps({"serial_number": device.serial}), retain=retain)

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_EVERY):
            for device in tuple(self.alive):
                self.heartbeat(device)


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


def site_of(entry: ConfigEntry) -> Site:
    """Return the site that an entry is at work for."""
    site = entry.runtime_data
    assert isinstance(site, Site)
    return site


async def heard(entry: ConfigEntry) -> None:
    """Wait until a site receives messages that are sent from now on."""
    site = site_of(entry)
    messages = site.watch.messages
    await until(lambda: site.watch.messages > messages + 1)
