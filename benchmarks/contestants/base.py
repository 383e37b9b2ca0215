"""Base: what each contestant can be asked."""

from __future__ import annotations

from paho.mqtt.client import MQTTMessage

from benchmarks.home import Home
from benchmarks.traffic import heartbeats
from simulator.devices import Device

OFFLINE_AFTER = 30  # seconds, for all of them


class Contestant:
    """One way to follow a fleet."""

    shows_silence = ""  # the state of the connectivity sensor of a device that has fallen silent

    def __init__(self, home: Home, fleet: list[Device]) -> None:
        """Do nothing yet."""
        self.home = home
        self.hass = home.hass
        self.fleet = fleet

    async def start(self) -> None:
        """Begin to listen; what an earlier run knew is known again."""

    def introduction(self) -> list[MQTTMessage]:
        """Return the messages that make the fleet known."""
        return heartbeats(self.fleet)

    @property
    def known(self) -> bool:
        """Tell whether all of the fleet is known, with its entities."""
        return True

    @property
    def online(self) -> bool:
        """Tell whether all of the fleet is shown as online."""
        return self.home.counts.get("on", 0) >= len(self.fleet)

    @property
    def silent(self) -> bool:
        """Tell whether all of the fleet is shown as silent."""
        return self.home.counts.get(self.shows_silence, 0) >= len(self.fleet)
