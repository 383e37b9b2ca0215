"""Floor: what Home Assistant and MQTT cost before anybody does anything with a message."""

from __future__ import annotations

from homeassistant.components import mqtt
from homeassistant.components.mqtt.models import ReceiveMessage
from homeassistant.core import callback
from homeassistant.util.json import json_loads

from benchmarks.traffic import SITE

from .base import Contestant


class FloorA(Contestant):
    """One wildcard subscription, whose callback does nothing."""

    async def start(self) -> None:
        """Subscribe."""

        @callback
        def received(_message: ReceiveMessage) -> None:
            pass

        await mqtt.async_subscribe(self.hass, f"{SITE}/#", received, encoding=None)


class FloorB(Contestant):
    """One wildcard subscription, whose callback reads the JSON."""

    async def start(self) -> None:
        """Subscribe."""

        @callback
        def received(message: ReceiveMessage) -> None:
            json_loads(message.payload)

        await mqtt.async_subscribe(self.hass, f"{SITE}/#", received, encoding=None)
