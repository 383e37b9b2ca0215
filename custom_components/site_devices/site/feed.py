"""Feed: an MQTT subscription that really ends, for `subscription`, `echo` and the config flow.

In: messages from MQTT. Out: topic, payload and retained flag to a callback. After a reload of MQTT our unsubscribe has
no effect: MQTT restores the subscription and keeps calling. So what it calls then drops messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

QOS: Final = 0

type OnMessage = Callable[[str, bytes, bool], None]  # topic, payload, retained


async def async_subscribe(hass: HomeAssistant, topic: str, on_message: OnMessage) -> CALLBACK_TYPE:
    """Subscribe to a topic; return a callable that unsubscribes.

    Raises:
        HomeAssistantError: MQTT is disabled.

    """
    target: OnMessage | None = on_message

    @callback
    def received(message: mqtt.ReceiveMessage) -> None:
        if target:
            target(message.topic, message.payload, message.retain)  # type: ignore[arg-type]  # bytes

    # without an encoding: Home Assistant would log every message that is not UTF-8, and the JSON parser takes bytes
    unsubscribe = await mqtt.async_subscribe(hass, topic, received, QOS, encoding=None)

    @callback
    def end() -> None:
        nonlocal target
        target = None
        unsubscribe()

    return end
