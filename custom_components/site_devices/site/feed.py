"""Feed: one MQTT subscription that really ends.

After MQTT's own reload an unsubscribe is void: MQTT restores the subscription and calls back until Home Assistant stops. So what
it calls is an object of ours that can be silenced, and that then holds nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

_QOS: Final = 0

type OnMessage = Callable[[str, bytes, bool], None]  # topic, payload, retained


async def async_subscribe(hass: HomeAssistant, topic: str, on_message: OnMessage) -> CALLBACK_TYPE:
    """Subscribe to a topic; return what ends that.

    Raises:
        HomeAssistantError: MQTT is disabled.

    """
    feed = _Feed(on_message)
    # without an encoding, since Home Assistant would log each message that is no UTF-8, and the JSON parser takes bytes
    unsubscribe = await mqtt.async_subscribe(hass, topic, feed.received, _QOS, encoding=None)

    @callback
    def end() -> None:
        feed.on_message = _ignore
        unsubscribe()

    return end


class _Feed:
    __slots__ = ("on_message",)

    def __init__(self, on_message: OnMessage) -> None:
        self.on_message = on_message

    @callback
    def received(self, message: mqtt.ReceiveMessage) -> None:
        self.on_message(message.topic, message.payload, message.retain)  # type: ignore[arg-type]  # without encoding: bytes


def _ignore(_topic: str, _payload: bytes, _retained: bool) -> None:
    """Drop a message that comes after the end."""
