"""Home Assistant's own device triggers: it makes them for each connectivity sensor, we only must not fire them wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.components.device_automation import DeviceAutomationType
from homeassistant.components.mqtt.const import MQTT_CONNECTION_STATE
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_get_device_automations,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from . import advance, connectivity, heartbeat, setup_site

SENSOR = "binary_sensor.monstro_1_connectivity"
DEADLINE = 30.01  # seconds

pytestmark = pytest.mark.usefixtures("broker", "quiet")


@pytest.fixture
async def site(hass: HomeAssistant) -> MockConfigEntry:
    """A site with one device, online."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    return entry


@pytest.fixture
async def fired(hass: HomeAssistant, site: MockConfigEntry) -> AsyncGenerator[list[ServiceCall]]:
    """What the device's triggers have fired, as an automation made on the device's page has them."""
    calls = async_mock_service(hass, "test", "fired")
    automations = [
        {
            "alias": kind,
            "trigger": {
                "platform": "device",
                "domain": "binary_sensor",
                "type": kind,
                "device_id": device_id(hass),
                "entity_id": SENSOR,
            },
            "action": {"action": "test.fired", "data": {"type": kind}},
        }
        for kind in ("connected", "not_connected")
    ]
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: automations})
    yield calls
    await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "all"}, blocking=True)


def device_id(hass: HomeAssistant) -> str:
    entity = er.async_get(hass).async_get(SENSOR)
    assert entity
    assert entity.device_id
    return entity.device_id


def types(fired: list[ServiceCall]) -> list[str]:
    return [call.data["type"] for call in fired]


async def connect(hass: HomeAssistant, broker: MqttMockHAClient, *, up: bool) -> None:
    broker.connected = up
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, up)
    await asyncio.sleep(0)  # the devices' entities write with the next turn
    await hass.async_block_till_done()


async def test_a_device_offers_them(hass: HomeAssistant, site: MockConfigEntry) -> None:
    triggers = await async_get_device_automations(hass, DeviceAutomationType.TRIGGER, device_id(hass))
    offered = {trigger["type"]: trigger["metadata"] for trigger in triggers if trigger["domain"] == "binary_sensor"}
    assert offered == {"connected": {"secondary": False}, "not_connected": {"secondary": False}}


async def test_they_fire_when_it_falls_silent_and_when_it_is_back(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, fired: list[ServiceCall]
) -> None:
    await advance(hass, freezer, 29)
    assert not fired
    await advance(hass, freezer, 1.01)
    assert types(fired) == ["not_connected"]
    await advance(hass, freezer, 3600)
    await heartbeat(hass)
    assert types(fired) == ["not_connected", "connected"]
    await heartbeat(hass)
    assert len(fired) == 2


@pytest.mark.parametrize("online", [True, False], ids=["online", "offline"])
@pytest.mark.parametrize("away", [0, 1, 30, 59])
async def test_no_restart_of_the_broker_under_a_minute_fires_them(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    broker: MqttMockHAClient,
    fired: list[ServiceCall],
    away: float,
    online: bool,
) -> None:
    if not online:
        await advance(hass, freezer, DEADLINE)
        fired.clear()
    await advance(hass, freezer, 25)
    for _ in range(3):
        await connect(hass, broker, up=False)
        await advance(hass, freezer, away)
        await connect(hass, broker, up=True)
        await advance(hass, freezer, 29)
        if online:
            await heartbeat(hass)
    assert connectivity(hass) == ("on" if online else "off")
    assert not fired

    if online:  # the silence after it counts
        await advance(hass, freezer, 30.01)
        assert types(fired) == ["not_connected"]


async def test_a_broker_that_stays_away_makes_a_silent_device_fire_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, broker: MqttMockHAClient, fired: list[ServiceCall]
) -> None:
    """Home Assistant's triggers look at nothing but the new state: the README says what to use instead."""
    await advance(hass, freezer, DEADLINE)
    await connect(hass, broker, up=False)
    await advance(hass, freezer, 61)
    assert connectivity(hass) == "unavailable"
    await connect(hass, broker, up=True)
    assert connectivity(hass) == "off"
    assert types(fired) == ["not_connected", "not_connected"]


async def test_they_can_wait(hass: HomeAssistant, freezer: FrozenDateTimeFactory, site: MockConfigEntry) -> None:
    calls = async_mock_service(hass, "test", "fired")
    trigger = {
        "platform": "device",
        "domain": "binary_sensor",
        "type": "not_connected",
        "device_id": device_id(hass),
        "entity_id": SENSOR,
        "for": {"minutes": 5},
    }
    automation = {"alias": "it", "trigger": trigger, "action": {"action": "test.fired"}}
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: automation})
    await advance(hass, freezer, DEADLINE)
    await advance(hass, freezer, 299)
    assert not calls
    await advance(hass, freezer, 1)
    assert len(calls) == 1
