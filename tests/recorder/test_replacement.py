"""Replaced hardware with the real recorder: the old history is on the entities afterwards."""

from __future__ import annotations

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.recorder import get_instance, history
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import async_wait_recording_done

from custom_components.site_devices.const import DOMAIN
from tests import advance, heartbeat, publish, setup_site

CONNECTIVITY = "binary_sensor.monstro_1_connectivity"
TEMPERATURE = "sensor.monstro_1_temperature"


async def recorded(hass: HomeAssistant, entity_id: str) -> list[str]:
    """Return the states that an entity had, as its history shows them."""
    await async_wait_recording_done(hass)
    now = dt_util.utcnow()
    states = await get_instance(hass).async_add_executor_job(
        history.state_changes_during_period, hass, now - timedelta(days=1), now + timedelta(days=1), entity_id
    )
    return [state.state for state in states.get(entity_id, [])]


async def send(hass: HomeAssistant, serial: str, temperature: int) -> None:
    await heartbeat(hass, serial=serial)
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": serial, "temperature": temperature})


@pytest.mark.usefixtures("broker")
async def test_the_history_goes_on_without_a_gap(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await send(hass, "OLD", 20)
    await advance(hass, freezer, 10)
    await send(hass, "OLD", 21)
    await advance(hass, freezer, 31)
    for _ in range(12):
        await send(hass, "NEW", 22)
        await advance(hass, freezer, 10)
    assert await recorded(hass, CONNECTIVITY) == ["on", "off"]
    assert await recorded(hass, TEMPERATURE) == ["20", "21", "unavailable"]

    await async_setup_component(hass, "repairs", {})
    manager = hass.data["repairs"]["flow_manager"]
    (issue_id,) = (issue for domain, issue in ir.async_get(hass).issues if domain == DOMAIN)
    flow = await manager.async_init(DOMAIN, data={"issue_id": issue_id})
    flow = await manager.async_configure(flow["flow_id"], {"next_step_id": "replace"})
    assert flow["type"] == "create_entry"
    await hass.async_block_till_done()
    await send(hass, "NEW", 23)

    assert await recorded(hass, CONNECTIVITY) == ["on", "off", "on"]
    # the value that the old hardware sent last is the newest that is known, until the new one sends its own
    assert await recorded(hass, TEMPERATURE) == ["20", "21", "unavailable", "21", "23"]
    entities = er.async_get(hass)
    assert entities.async_get_entity_id("sensor", DOMAIN, "sito_001/datalogger/NEW/in/temperature") == TEMPERATURE

    # and so it stays: a reload shows as one, and nothing of it is lost
    for _ in range(2):  # both events have left: a reload would wait between them, for a clock that stands still
        await advance(hass, freezer, 16)
        await send(hass, "NEW", 23)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert await recorded(hass, CONNECTIVITY) == ["on", "off", "on", "unavailable", "on"]
    assert (await recorded(hass, TEMPERATURE))[:5] == ["20", "21", "unavailable", "21", "23"]
