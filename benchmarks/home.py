"""Home: a Home Assistant in a plain process (see `harness.core`), and what a player watches of it.

Connected means subscribed to a broker, but in most rows messages don't come over the wire: `deliver` hands them to the
function that paho calls, as many at once as Home Assistant reads in one turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
import time
from typing import Any, Final

from homeassistant.components import mqtt
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE, EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from paho.mqtt.client import MQTTMessage

from harness.core import start_core
from harness.waiting import async_until

from .clock import Clock, Turns
from .traffic import SITE

BURST: Final = 500  # messages; Home Assistant's client reads no more in one turn of the loop
_PATIENCE: Final = 120.0  # seconds, after which something is broken
_SETTLES: Final = 0.15  # seconds, in which timers that have waited for us are through
_KEEPALIVE: Final = 3600  # seconds; between two repetitions a process is blocked, and must not lose its connection


class Home:
    """Home Assistant, and how it fares."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Watch one that has started."""
        self.hass = hass
        self.clock = Clock(hass.loop)
        self.turns = Turns(hass.loop)
        self.states: dict[str, str] = {}  # of the devices' entities
        self.last_change = 0.0  # on the loop's clock
        self.counts: dict[str, int] = {}  # how many of them have which state
        hass.bus.async_listen(EVENT_STATE_CHANGED, self._state_changed)

    @property
    def client(self) -> Any:
        """Home Assistant's MQTT client."""
        return self.hass.data[mqtt.DATA_MQTT].client

    @callback
    def _state_changed(self, event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        if new is None or f".{SITE}_" in new.entity_id or new.state == self.states.get(new.entity_id):
            return
        if before := self.states.get(new.entity_id):
            self.counts[before] -= 1
        self.states[new.entity_id] = new.state
        self.counts[new.state] = self.counts.get(new.state, 0) + 1
        self.last_change = self.hass.loop.time()

    async def deliver(self, messages: Sequence[MQTTMessage]) -> float:
        """Let messages arrive; return the seconds until all are dealt with."""
        on_message = self.client._async_mqtt_on_message  # noqa: SLF001
        begin = time.perf_counter()
        for start in range(0, len(messages), BURST):
            for message in messages[start : start + BURST]:
                on_message(None, None, message)
            await asyncio.sleep(0)
        return time.perf_counter() - begin

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something; what is only counted must not be waited for by looking at thousands of states."""
        await async_until(true, within=_PATIENCE, poll=0)

    async def settle(self) -> None:
        """Let what has waited while the process was blocked happen."""
        await asyncio.sleep(_SETTLES)
        await self.hass.async_block_till_done()

    async def save(self) -> None:
        """Write to disk what Home Assistant would write later: so it does not do so while something is measured."""
        self.hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
        await self.hass.async_block_till_done()


async def start(folder: str, port: int, protocol: str) -> Home:
    """Start Home Assistant in a folder, connected to the broker on a loopback port."""
    hass = await start_core(Path(folder), port, protocol=protocol, keepalive=_KEEPALIVE, discovery=True)
    return Home(hass)
