"""Monitoring: a switch for planned work."""

from __future__ import annotations

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest

from . import advance, connectivity, entity_state, heartbeat, publish, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def turn(hass: HomeAssistant, position: str) -> None:
    await hass.services.async_call(
        "switch", f"turn_{position}", {"entity_id": "switch.sito_001_monitoring"}, blocking=True
    )
    await hass.async_block_till_done()


async def test_off_makes_all_but_itself_and_the_events_unavailable(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 21})
    await turn(hass, "off")
    available = {state.entity_id for state in hass.states.async_all() if state.state != "unavailable"}
    assert available == {"switch.sito_001_monitoring", "event.sito_001_events"}
    assert hass.states.get("switch.sito_001_monitoring").state == "off"

    await turn(hass, "on")
    assert connectivity(hass) == "on"
    assert hass.states.get("sensor.monstro_1_temperature").state == "21"
    assert not [state for state in hass.states.async_all() if state.state == "unavailable"]


async def test_messages_are_ignored_and_deadlines_stand_still(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await turn(hass, "off")
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 3600)
    assert connectivity(hass, "gateway/GATE") is None

    await turn(hass, "on")
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 29.9)
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 0.2)
    assert connectivity(hass) == "off"


async def test_it_outlives_a_restart(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await turn(hass, "off")
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entity_state(hass, "monitoring", "switch").state == "off"
    assert connectivity(hass) == "unavailable"
    await advance(hass, freezer, 60)
    await turn(hass, "on")
    assert connectivity(hass) == "on"
