"""Subscription: a site's messages from Home Assistant's MQTT client, and whether it could receive any.

In: messages and connection status from MQTT. Out, all to `site`: messages through `on_message`, and changes of
`listening` and `lost`. It subscribes only once: MQTT restores subscriptions after a lost connection and after its own
reload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Final

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.start import async_at_started

from .feed import OnMessage, async_subscribe
from .pacing import Timer

# Seconds within which MQTT notices a dead connection: after a keepalive without a message, 60 s by default, its client
# sends a ping, and gives up after another keepalive without an answer; the rest is margin. With a shorter keepalive
# MQTT reports the loss earlier. With a longer one, devices are called offline when a broker hangs for longer than this.
LOSS_NOTICED_WITHIN: Final = 125.0
LOST_AFTER: Final = 60  # seconds; a broker that restarts is back by then, so entities do not become unavailable


def mqtt_is_loaded(hass: HomeAssistant) -> bool:
    """Return whether subscribing works: on a client that is set up but not loaded, nothing would arrive."""
    return any(entry.state is ConfigEntryState.LOADED for entry in hass.config_entries.async_entries(mqtt.DOMAIN))


class Subscription:
    """The MQTT subscription of one site.

    `connected`: MQTT is connected to the broker.
    `listening`: connected, subscribed, and Home Assistant has started; only then silence means anything.
    `lost`: not connected for `LOST_AFTER` seconds, so what is known may be outdated.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        on_message: OnMessage,
        on_listening: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Subscribe to nothing yet; the last two are called when `listening` or `lost` has changed."""
        self.connected = False
        self._closed = False
        self.lost = False
        self._hass = hass
        self._on_message = on_message
        self._on_listening = on_listening
        self._on_lost = on_lost
        self._ends = ExitStack()
        self._lost_timer = Timer(hass.loop, self._set_lost)
        self._started = False
        self._was_listening = False  # when `on_listening` was last called

    @property
    def listening(self) -> bool:
        """Whether a live device would be heard."""
        return self.connected and self._started and not self._closed

    async def async_start(self, topics: Iterable[str]) -> CALLBACK_TYPE:
        """Subscribe; return a callable that unsubscribes.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """
        self.connected = mqtt.is_connected(self._hass)
        with ExitStack() as undo:
            undo.callback(self._lost_timer.async_cancel)
            if not self.connected:
                self._schedule_lost()
            undo.callback(mqtt.async_subscribe_connection_status(self._hass, self._connection_changed))
            for topic in topics:
                undo.callback(await async_subscribe(self._hass, topic, self._on_message))
            undo.callback(async_at_started(self._hass, self._home_assistant_started))
            self._ends = undo.pop_all()
        return self._stop

    @callback
    def _stop(self) -> None:
        self._closed = True
        self._ends.close()

    @callback
    def _connection_changed(self, _connected: bool) -> None:
        # after a reload the old client may still report its status: ask the present one
        connected = mqtt.is_connected(self._hass)
        if self._closed or connected == self.connected:
            return
        self.connected = connected
        self._lost_timer.async_cancel()
        if not connected:
            self._schedule_lost()
        elif self.lost:
            self.lost = False
            self._on_lost()
        self._notify_listening()

    @callback
    def _home_assistant_started(self, _hass: HomeAssistant) -> None:
        self._started = True
        self._notify_listening()

    def _notify_listening(self) -> None:
        if self.listening is not self._was_listening:
            self._was_listening = self.listening
            self._on_listening()

    def _schedule_lost(self) -> None:
        self._lost_timer.async_set(self._hass.loop.time() + LOST_AFTER)

    def _set_lost(self) -> None:
        self.lost = True
        self._on_lost()
