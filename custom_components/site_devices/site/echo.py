"""Echo: a message of our own that the broker sends back, which proves that the connection is alive.

`watch` sends numbered echoes; the number of each one that comes back leaves through `on_echo`. The topic is below
`homeassistant/`, like Home Assistant's birth message, so that usual access rules allow it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import secrets

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from ..const import DOMAIN
from .feed import QOS, async_subscribe


class Echo:
    """The echo of one config entry, distinct from that of another Home Assistant on the same broker."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Subscribe to nothing yet."""
        self._hass = hass
        self._entry = entry
        self._topic = f"homeassistant/{DOMAIN}/{entry.entry_id}/echo"
        self._token = secrets.token_hex(8).encode()  # so that nobody else can forge an echo
        self._closed = False

    async def async_start(self, on_echo: Callable[[int], None]) -> CALLBACK_TYPE:
        """Subscribe; `on_echo` gets the number of each echo. Return a callable that ends this and all sending.

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
        """Publish an echo with a number."""
        if not self._closed:
            # not eagerly: the echo must not arrive while the caller is still running
            self._entry.async_create_background_task(self._hass, self._publish(number), self._topic, eager_start=False)

    async def _publish(self, number: int) -> None:
        with suppress(HomeAssistantError):  # not connected, which MQTT reports itself
            await mqtt.async_publish(self._hass, self._topic, b"%s %d" % (self._token, number), QOS, retain=False)
