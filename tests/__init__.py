"""The tests' own language: sites, heartbeats, time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import json
import time
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.components.mqtt.models import DATA_MQTT
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
    async_fire_time_changed_exact,
)

from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN
from custom_components.site_devices.site.pacing import Timer
from custom_components.site_devices.site.watch import Watch

SITE = "sito_001"
_A_LITTLE = 0.001  # seconds
_TURNS = 250  # of the loop at most, since something may never stop


async def setup_site(hass: HomeAssistant, code: str = SITE, options: dict[str, Any] | None = None) -> MockConfigEntry:
    """Add a site and set it up, whatever comes of it."""
    entry = MockConfigEntry(
        domain=DOMAIN, title=code, unique_id=code, data={CONF_SITE_CODE: code}, options=options or {}
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def deliver(hass: HomeAssistant, topic: str, payload: bytes | str | dict[str, Any], *, retain: bool = False) -> None:
    """Let a message arrive, as the broker would deliver it, and nothing else happen yet."""
    if isinstance(payload, dict):
        payload = json.dumps(payload)
    async_fire_mqtt_message(hass, topic, payload, retain=retain)


async def publish(
    hass: HomeAssistant, topic: str, payload: bytes | str | dict[str, Any], *, retain: bool = False
) -> None:
    """Let a message arrive, and everything happen that it sets off."""
    deliver(hass, topic, payload, retain=retain)
    await hass.async_block_till_done()


async def heartbeat(
    hass: HomeAssistant,
    address: str = "datalogger/monstro/1",
    serial: str | int = "TEST123",
    *,
    site: str = SITE,
    retain: bool = False,
    **said: Any,
) -> None:
    """Let a device say that it lives."""
    await publish(hass, f"{site}/{address}/heartbeat", {"serial_number": serial, **said}, retain=retain)


async def advance(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass at once, but for the moments at which a site decides on silent devices: what is due happens."""
    end = hass.loop.time() + seconds
    while (when := min(filter(lambda when: when > hass.loop.time(), _decisions(hass)), default=end)) < end - _A_LITTLE:
        await hold(hass, freezer, when - hass.loop.time() + _A_LITTLE)
    await hold(hass, freezer, max(end - hass.loop.time(), 0))


async def hold(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass while something holds the loop; what is due at its end happens then."""
    freezer.tick(seconds)
    async_fire_time_changed_exact(hass)
    await _settle(hass)
    await hass.async_block_till_done()


async def _settle(hass: HomeAssistant) -> None:
    """Let the loop turn until nobody else has a turn: an echo comes, what has arrived is read, MQTT subscribes."""
    idle = 0
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        idle = 0 if hass.loop._ready else idle + 1  # type: ignore[attr-defined]
        if idle > 1:  # after the first, what had become due in that same turn would have come
            return


def _decisions(hass: HomeAssistant) -> list[float]:
    """Return when sites wake for a deadline."""

    def belongs_to_a_watch(handle: asyncio.TimerHandle) -> bool:
        timer = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
        return isinstance(timer, Timer) and isinstance(getattr(timer._action, "__self__", None), Watch)

    waiting = [handle for handle in hass.loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    return [handle.when() for handle in waiting if belongs_to_a_watch(handle)]


async def change_hardware(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Let a device (OLD) fall silent, and other hardware (NEW) come to its address."""
    await heartbeat(hass, serial="OLD")
    await advance(hass, freezer, 31)
    await heartbeat(hass, serial="NEW")


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something has come about, also while its clock is made to stand still."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        await asyncio.sleep(0)


def subscribed(hass: HomeAssistant) -> list[str]:
    """Return the topics that Home Assistant is subscribed to."""
    client = hass.data[DATA_MQTT].client
    return sorted(subscription.topic for subscription in getattr(client, "_mock_wraps", client).subscriptions)


def lose_connection(hass: HomeAssistant) -> None:
    """Let the connection to the broker break."""
    _set_connected(hass, False)


def regain_connection(hass: HomeAssistant) -> None:
    """Let it be there again."""
    _set_connected(hass, True)


def _set_connected(hass: HomeAssistant, connected: bool) -> None:
    hass.data[DATA_MQTT].client.connected = connected
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, connected)


def entity_state(
    hass: HomeAssistant, unique_id: str, platform: str = "binary_sensor", site: str = SITE
) -> State | None:
    """Return the state of the entity with a unique id below the site."""
    entity_id = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{site}/{unique_id}")
    return hass.states.get(entity_id) if entity_id else None


def page(hass: HomeAssistant, entry: MockConfigEntry, serial: str | None = "TEST123") -> dr.DeviceEntry:
    """Return the page of a device, or (None) the site's."""
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return next(device for device in pages if device.serial_number == serial)


def connectivity(hass: HomeAssistant, device: str = "datalogger/TEST123", site: str = SITE) -> str | None:
    """Return the state of a device's connectivity sensor, None when there is none."""
    state = entity_state(hass, f"{device}/connectivity", site=site)
    return state.state if state else None
