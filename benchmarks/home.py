"""Home: a Home Assistant in a plain process, with its own MQTT integration on a real broker.

The core, the registries, storage and MQTT are set up as they are at its start; what has no part in a message (web pages,
recorder, the default integrations) is not. Connected means subscribed to a broker, but in most rows messages don't come
over the wire: `deliver` hands them to the function that paho calls, as many at once as Home Assistant reads in one turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import time
from types import MappingProxyType
from typing import Any, Final

from homeassistant import loader
from homeassistant.bootstrap import CORE_INTEGRATIONS, async_load_base_functionality
from homeassistant.components import mqtt
from homeassistant.components.mqtt.config_flow import FlowHandler
from homeassistant.config_entries import SOURCE_USER, ConfigEntries, ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE, EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.setup import async_setup_component
from paho.mqtt.client import MQTTMessage

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

    async def add_entry(
        self,
        domain: str,
        data: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        version: tuple[int, int] = (1, 1),
    ) -> ConfigEntry:
        """Set up the config entry of a domain: the one from an earlier run, or a new one."""
        entries = self.hass.config_entries
        if known := entries.async_entries(domain):
            await entries.async_setup(known[0].entry_id)
            return known[0]
        entry = ConfigEntry(
            domain=domain,
            title=domain,
            unique_id=domain,
            data=data,
            options=options,
            source=SOURCE_USER,
            version=version[0],
            minor_version=version[1],
            discovery_keys=MappingProxyType({}),
            subentries_data=(),
        )
        await entries.async_add(entry)
        return entry

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
        """Wait for something; what is only counted must not be waited for by looking at thousands of states.

        Raises:
            TimeoutError: It did not come.

        """
        give_up = time.monotonic() + _PATIENCE
        while not true():
            if time.monotonic() > give_up:
                raise TimeoutError
            await asyncio.sleep(0)

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
    (Path(folder) / "configuration.yaml").touch()
    hass = HomeAssistant(folder)
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = ConfigEntries(hass, {})
    await loader.async_get_custom_components(hass)
    await async_load_base_functionality(hass)
    for domain in CORE_INTEGRATIONS:
        await async_setup_component(hass, domain, {})
    for domain in ("http", "file_upload"):  # MQTT's dependencies, for its own pages only
        hass.config.components.add(domain)
    home = Home(hass)
    data = {"broker": "127.0.0.1", "port": port, "protocol": protocol, "keepalive": _KEEPALIVE}
    await home.add_entry(mqtt.DOMAIN, data, version=(FlowHandler.VERSION, FlowHandler.MINOR_VERSION))
    await hass.async_start()
    await home.until(lambda: mqtt.is_connected(hass))
    await hass.async_block_till_done()
    return home
