"""Traffic: a fleet of devices, and what they send, as the messages that paho hands to Home Assistant."""

from __future__ import annotations

import json
import random
from typing import Any, Final

from paho.mqtt.client import MQTTMessage

from simulator.devices import Device

SITE: Final = "sito_001"
LEAVES: Final = 10  # of an input message; every second one carries its unit
_GATEWAYS: Final = 10  # every tenth device is one
_TIMESTAMP: Final = "2025-10-17T10:00:00Z"


def devices(size: int) -> list[Device]:
    """Return a fleet in the order in which its heartbeats come: always the same, but not that of their discovery."""
    fleet = [
        Device(
            site=SITE,
            address=f"gateway/{number}" if number % _GATEWAYS == 0 else f"datalogger/monstro/{number}",
            serial=f"SN{number:06}",
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
    return [message(device.topic("heartbeat"), _said(device)) for device in fleet]


def inputs(fleet: list[Device], turn: int) -> list[MQTTMessage]:
    """Return one input message of each device, in which one leaf differs from that of the turn before."""
    measured = {}
    for leaf in range(LEAVES):
        changes = turn // LEAVES + (turn % LEAVES >= leaf)
        value = 200 + leaf + changes / 10
        measured[f"leaf_{leaf}"] = {"value": value, "unit": "W"} if leaf % 2 else value
    return [message(device.topic("input"), _said(device) | measured) for device in fleet]


def _said(device: Device) -> dict[str, Any]:
    return {"serial_number": device.serial, "timestamp": _TIMESTAMP}
