"""Traffic: a fleet of devices, and what they send, as the messages that paho hands to Home Assistant."""

from __future__ import annotations

from dataclasses import dataclass
import json
import random
from typing import Any, Final

from paho.mqtt.client import MQTTMessage

SITE: Final = "sito_001"
LEAVES: Final = 10  # of an input message; every second one carries its unit
_GATEWAYS: Final = 10  # every tenth device is one
_TIMESTAMP: Final = "2025-10-17T10:00:00Z"


@dataclass(frozen=True, slots=True)
class Device:
    """One device: `{site}/{place}/heartbeat` is its topic."""

    number: int
    place: str
    serial: str

    @property
    def heartbeat_topic(self) -> str:
        """Where it says that it lives."""
        return f"{SITE}/{self.place}/heartbeat"

    @property
    def input_topic(self) -> str:
        """Where it says what it measures."""
        return f"{SITE}/{self.place}/input"

    @property
    def heartbeat(self) -> dict[str, Any]:
        """What it says there."""
        return {"serial_number": self.serial, "timestamp": _TIMESTAMP}

    def measured(self, turn: int) -> dict[str, Any]:
        """Return a message in which one leaf differs from that of the turn before."""
        message: dict[str, Any] = {"serial_number": self.serial, "timestamp": _TIMESTAMP}
        for leaf in range(LEAVES):
            changes = turn // LEAVES + (turn % LEAVES >= leaf)
            value = 200 + leaf + changes / 10
            message[f"leaf_{leaf}"] = {"value": value, "unit": "W"} if leaf % 2 else value
        return message


def devices(size: int) -> list[Device]:
    """Return a fleet in the order in which its heartbeats come: always the same, but not that of their discovery."""
    fleet = [
        Device(
            number, f"gateway/{number}" if number % _GATEWAYS == 0 else f"datalogger/monstro/{number}", f"SN{number:06}"
        )
        for number in range(size)
    ]
    random.Random(size).shuffle(fleet)
    return fleet


def message(topic: str, payload: dict[str, Any]) -> MQTTMessage:
    """Return a live message of QoS 0."""
    received = MQTTMessage(topic=topic.encode())
    received.payload = json.dumps(payload).encode()
    return received


def heartbeats(fleet: list[Device]) -> list[MQTTMessage]:
    """Return one heartbeat of each device."""
    return [message(device.heartbeat_topic, device.heartbeat) for device in fleet]


def inputs(fleet: list[Device], turn: int) -> list[MQTTMessage]:
    """Return one input message of each device, in which one leaf differs from that of the turn before."""
    return [message(device.input_topic, device.measured(turn)) for device in fleet]
