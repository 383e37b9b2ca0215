"""Home Assistant's own device triggers: it makes them for each connectivity sensor, we only must not fire them wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.components.device_automation import DeviceAutomationType
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    async_get_device_automations,
    async_mock_service,
)

from .live_site import LiveSite

SENSOR = "binary_sensor.monstro_1_connectivity"
DEADLINE = 30.01  # seconds

pytestmark = pytest.mark.usefixtures("broker", "quiet")


@pytest.fixture
async def logger(site: LiveSite) -> LiveSite:
    """A site with one device, online."""
    await site.heartbeat()
    return site


def automation(logger: LiveSite, kind: str, **how: Any) -> dict[str, Any]:
    """Return an automation as it is made on the device's page, by a trigger of a kind."""
    trigger = {"platform": "device", "domain": "binary_sensor", "device_id": logger.page().id, "entity_id": SENSOR}
    action = {"action": "test.fired", "data": {"type": kind}}
    return {"alias": kind, "trigger": {**trigger, "type": kind, **how}, "action": action}


@pytest.fixture
async def fired(hass: HomeAssistant, logger: LiveSite) -> AsyncGenerator[list[ServiceCall]]:
    """What the device's triggers have fired."""
    calls = async_mock_service(hass, "test", "fired")
    automations = [automation(logger, kind) for kind in ("connected", "not_connected")]
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: automations})
    yield calls
    await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "all"}, blocking=True)


def types(fired: list[ServiceCall]) -> list[str]:
    return [call.data["type"] for call in fired]


async def connect(logger: LiveSite, *, up: bool) -> None:
    await logger.connect(up=up)
    await asyncio.sleep(0)  # the devices' entities write with the next turn
    await logger.hass.async_block_till_done()


async def test_a_device_offers_triggers(hass: HomeAssistant, logger: LiveSite) -> None:
    triggers = await async_get_device_automations(hass, DeviceAutomationType.TRIGGER, logger.page().id)
    offered = {trigger["type"]: trigger["metadata"] for trigger in triggers if trigger["domain"] == "binary_sensor"}
    assert offered == {"connected": {"secondary": False}, "not_connected": {"secondary": False}}


async def test_triggers_fire_when_the_device_falls_silent_and_when_it_is_back(
    logger: LiveSite, fired: list[ServiceCall]
) -> None:
    await logger.advance(29)
    assert not fired
    await logger.advance(1.01)
    assert types(fired) == ["not_connected"]
    await logger.advance(3600)
    await logger.heartbeat()
    assert types(fired) == ["not_connected", "connected"]
    await logger.heartbeat()
    assert len(fired) == 2


@pytest.mark.parametrize("online", [True, False], ids=["online", "offline"])
@pytest.mark.parametrize("away", [0, 1, 30, 59])
async def test_no_restart_of_the_broker_under_a_minute_fires_a_trigger(
    logger: LiveSite, fired: list[ServiceCall], away: float, online: bool
) -> None:
    if not online:
        await logger.advance(DEADLINE)
        fired.clear()
    await logger.advance(25)
    for _ in range(3):
        await connect(logger, up=False)
        await logger.advance(away)
        await connect(logger, up=True)
        await logger.advance(29)
        if online:
            await logger.heartbeat()
    assert logger.connectivity() == ("on" if online else "off")
    assert not fired

    if online:  # the silence after it counts
        await logger.advance(30.01)
        assert types(fired) == ["not_connected"]


async def test_a_broker_that_stays_away_makes_a_silent_device_fire_again(
    logger: LiveSite, fired: list[ServiceCall]
) -> None:
    """Home Assistant's triggers look at nothing but the new state: the README says what to use instead."""
    await logger.advance(DEADLINE)
    await connect(logger, up=False)
    await logger.advance(61)
    assert logger.connectivity() == "unavailable"
    await connect(logger, up=True)
    assert logger.connectivity() == "off"
    assert types(fired) == ["not_connected", "not_connected"]


async def test_a_trigger_can_wait(hass: HomeAssistant, logger: LiveSite) -> None:
    calls = async_mock_service(hass, "test", "fired")
    patient = automation(logger, "not_connected", **{"for": {"minutes": 5}})
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: patient})
    await logger.advance(DEADLINE)
    await logger.advance(299)
    assert not calls
    await logger.advance(1)
    assert len(calls) == 1
