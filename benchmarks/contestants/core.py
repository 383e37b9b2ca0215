"""Core: Home Assistant's own MQTT entities, made by MQTT discovery, each subscribed to its device's topic.

The cheapest set-up that does the job: the state is a fixed text, so that no template runs and no JSON is read.
"""

from __future__ import annotations

from typing import Any, Final

from paho.mqtt.client import MQTTMessage

from benchmarks.traffic import LEAVES, message
from simulator.devices import Device

from .base import OFFLINE_AFTER, Contestant

_PREFIX: Final = "homeassistant"


class CoreExpireAfter(Contestant):
    """A binary sensor a device, unavailable after a silence."""

    shows_silence = "unavailable"
    deadline = "expire_after"

    def introduction(self) -> list[MQTTMessage]:
        """Return a discovery message for each device."""
        return [
            message(f"{_PREFIX}/binary_sensor/{device.serial}/connectivity/config", self._config(device))
            for device in self.fleet
        ]

    @property
    def known(self) -> bool:
        """Tell whether each device has its entity."""
        return len(self.home.states) >= len(self.fleet)

    def _config(self, device: Device) -> dict[str, Any]:
        return {
            "name": "Connectivity",
            "unique_id": f"{device.serial}_connectivity",
            "state_topic": device.topic("heartbeat"),
            "value_template": "ON",
            "device_class": "connectivity",
            self.deadline: OFFLINE_AFTER,
            "device": _page(device),
        }


class CoreOffDelay(CoreExpireAfter):
    """A binary sensor a device, off after a silence."""

    shows_silence = "off"
    deadline = "off_delay"


class CoreData(Contestant):
    """A sensor a leaf of a device's input message, each with its template."""

    def introduction(self) -> list[MQTTMessage]:
        """Return a discovery message for each leaf of each device."""
        return [
            message(f"{_PREFIX}/sensor/{device.serial}/leaf_{leaf}/config", self._config(device, leaf))
            for device in self.fleet
            for leaf in range(LEAVES)
        ]

    @property
    def known(self) -> bool:
        """Tell whether each leaf has its entity."""
        return len(self.home.states) >= len(self.fleet) * LEAVES

    def _config(self, device: Device, leaf: int) -> dict[str, Any]:
        config: dict[str, Any] = {
            "name": f"leaf {leaf}",
            "unique_id": f"{device.serial}_leaf_{leaf}",
            "state_topic": device.topic("input"),
            "value_template": f"{{{{ value_json.leaf_{leaf} }}}}",
            "device": _page(device),
        }
        if leaf % 2:
            config["value_template"] = f"{{{{ value_json.leaf_{leaf}.value }}}}"
            config |= {"unit_of_measurement": "W", "device_class": "power", "state_class": "measurement"}
        return config


def _page(device: Device) -> dict[str, Any]:
    return {"identifiers": [device.serial], "name": device.address, "serial_number": device.serial}
