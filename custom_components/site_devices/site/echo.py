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

from ..const import DOMAIN
from .feed import async_subscribe

_QOS: Final = 0


class Echo:
    """The echo of one config entry: another Home Assistant's on the same broker is another."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Neither subscribe nor publish yet."""
        self._hass = hass
        self._entry = entry
        self._topic = f"homeassistant/{DOMAIN}/{entry.entry_id}/echo"
        self._token = secrets.token_hex(8).encode()  # nobody else can make an echo
        self._closed = False

    async def async_start(self, on_echo: Callable[[int], None]) -> CALLBACK_TYPE:
        """Call with the number of each echo that comes back; return what ends that, and all sending.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """

        @callback
        def received(_topic: str, payload: bytes, _retained: bool) -> None:
            token, _, number = bytes(payload).partition(b" ")
            if token == self._token:
                on_echo(int(number))

        unsubscribe = await async_subscribe(self._hass, self._topic, received)

        @callback
        def stop() -> None:
            self._closed = True
            unsubscribe()

        return stop

    @callback
    def async_send(self, number: int) -> None:
        """Publish a message that brings a number back."""
        if not self._closed:
            # not at once: whoever sends it is not to be answered in the middle of it
            self._entry.async_create_background_task(
                self._hass, self._publish(number), f"{DOMAIN} echo", eager_start=False
            )

    async def _publish(self, number: int) -> None:
        with suppress(HomeAssistantError):  # no connection, which MQTT reports
            await mqtt.async_publish(self._hass, self._topic, b"%s %d" % (self._token, number), _QOS, retain=False)
