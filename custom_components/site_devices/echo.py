"""Echo: a message of our own that the broker sends back, which proves that the line to it is alive.

Its topic lies where Home Assistant publishes its own birth, so that an access list that serves it serves us as well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import secrets
from typing import Final

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN

_QOS: Final = 0


def _nobody(_number: int) -> None:
    """Ignore an echo."""


class Echo:
    """The echo of one config entry: another Home Assistant's on the same broker is another."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, on_echo: Callable[[int], None]) -> None:
        """Subscribe to nothing yet; `on_echo` is called with the number of each echo."""
        self._hass = hass
        self._entry = entry
        self._on_echo = on_echo
        self._topic = f"homeassistant/{DOMAIN}/{entry.entry_id}/echo"
        self._token = secrets.token_hex(8).encode()  # nobody else can make an echo
        self._unsubscribe: CALLBACK_TYPE | None = None
        self._closed = False

    async def async_start(self) -> None:
        """Listen for it.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """
        self._unsubscribe = await mqtt.async_subscribe(self._hass, self._topic, self._received, _QOS, encoding=None)

    @callback
    def async_stop(self) -> None:
        """Hear none any more, and hold nothing: after MQTT's own reload our unsubscribe is void, and we stay for ever."""
        self._closed = True
        self._on_echo = _nobody
        if self._unsubscribe:
            self._unsubscribe()
            self._unsubscribe = None

    @callback
    def async_send(self, number: int) -> None:
        """Send one off that brings a number back."""
        if not self._closed:
            # not at once: whoever sends it is not to be answered in the middle of it
            self._entry.async_create_background_task(
                self._hass, self._publish(number), f"{DOMAIN} echo", eager_start=False
            )

    async def _publish(self, number: int) -> None:
        with suppress(HomeAssistantError):  # no connection, of which MQTT tells
            await mqtt.async_publish(self._hass, self._topic, b"%s %d" % (self._token, number), _QOS, retain=False)

    @callback
    def _received(self, message: mqtt.ReceiveMessage) -> None:
        token, _, number = bytes(message.payload).partition(b" ")  # type: ignore[arg-type]  # without encoding: bytes
        if token == self._token:
            self._on_echo(int(number))
