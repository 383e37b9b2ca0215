"""Subscription: a site's messages from Home Assistant's MQTT client, and whether there can be any.

MQTT restores our subscriptions by itself after a lost connection and after its own reload, so they are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.start import async_at_started

from .feed import OnMessage, async_subscribe
from .pacing import Timer

# Seconds for which MQTT may take a dead connection for alive: after a keepalive without a message, 60 s by default, its
# client sends a ping, and gives up after another one without an answer; the rest is margin. With a shorter keepalive MQTT
# reports the loss earlier, which ends the wait. With a longer one a broker that hangs for longer than this is not told
# from devices that are silent: they are called offline until it answers again or MQTT notices.
LOSS_NOTICED_WITHIN: Final = 125.0
LOST_AFTER: Final = 60  # seconds; a broker that restarts is back by then, and nobody's automation has run


def mqtt_is_loaded(hass: HomeAssistant) -> bool:
    """Tell whether subscribing can work: on a client that is set up but not loaded it seems to, but nothing arrives."""
    return any(entry.state is ConfigEntryState.LOADED for entry in hass.config_entries.async_entries(mqtt.DOMAIN))


class Subscription:
    """Hands over the messages of one site.

    `connected`: to the broker.
    `listening`: connected, subscribed, and Home Assistant has started: silence means something only now.
    `lost`: not connected for so long that what is known is no longer true.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        on_message: OnMessage,
        on_listening: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Subscribe to nothing yet; the last two are called when what they are named after has changed."""
        self.connected = False
        self._closed = False
        self.lost = False
        self._hass = hass
        self._on_message = on_message
        self._on_listening = on_listening
        self._on_lost = on_lost
        self._ends: list[CALLBACK_TYPE] = []
        self._lost_timer = Timer(hass.loop, self._connection_lost)
        self._started = False
        self._listened = False  # when `on_listening` was last called

    @property
    def listening(self) -> bool:
        """Tell whether a device that lives would be heard."""
        return self.connected and self._started and not self._closed

    async def async_start(self, topics: Iterable[str]) -> CALLBACK_TYPE:
        """Subscribe; return what ends that.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """
        try:
            await self._subscribe(topics)
        except BaseException:
            self._stop()
            raise
        return self._stop

    async def _subscribe(self, topics: Iterable[str]) -> None:
        self.connected = mqtt.is_connected(self._hass)
        if not self.connected:
            self._expect_loss()
        self._ends.append(mqtt.async_subscribe_connection_status(self._hass, self._connection_changed))
        for topic in topics:
            self._ends.append(await async_subscribe(self._hass, topic, self._on_message))
        self._ends.append(async_at_started(self._hass, self._home_assistant_started))

    @callback
    def _stop(self) -> None:
        self._closed = True
        while self._ends:
            self._ends.pop()()
        self._lost_timer.async_cancel()

    @callback
    def _connection_changed(self, _connected: bool) -> None:
        # what we are told may come from the client before a reload, whose end is noticed late: we ask the one there is
        connected = mqtt.is_connected(self._hass)
        if self._closed or connected == self.connected:
            return
        self.connected = connected
        self._lost_timer.async_cancel()
        if not connected:
            self._expect_loss()
        elif self.lost:
            self.lost = False
            self._on_lost()
        self._tell_listening()

    @callback
    def _home_assistant_started(self, _hass: HomeAssistant) -> None:
        self._started = True
        self._tell_listening()

    def _tell_listening(self) -> None:
        if self.listening is not self._listened:
            self._listened = self.listening
            self._on_listening()

    def _expect_loss(self) -> None:
        self._lost_timer.async_set(self._hass.loop.time() + LOST_AFTER)

    def _connection_lost(self) -> None:
        self.lost = True
        self._on_lost()
