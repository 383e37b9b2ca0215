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


async def test_off_leaves_itself_the_events_and_data_available(hass: HomeAssistant) -> None:
    await setup_site(hass)
    await heartbeat(hass)
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 21})
    await turn(hass, "off")
    available = {state.entity_id for state in hass.states.async_all() if state.state != "unavailable"}
    assert available == {"switch.sito_001_monitoring", "event.sito_001_events", "sensor.monstro_1_temperature"}
    assert hass.states.get("switch.sito_001_monitoring").state == "off"
    await publish(hass, "sito_001/datalogger/monstro/1/input", {"serial_number": "TEST123", "temperature": 22})
    assert hass.states.get("sensor.monstro_1_temperature").state == "22"

    await turn(hass, "on")
    assert connectivity(hass) == "on"
    assert not [state for state in hass.states.async_all() if state.state == "unavailable"]


async def test_off_creates_and_judges_nobody_but_hears_who_is_known(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await heartbeat(hass, "gateway/2", "BACK")
    await advance(hass, freezer, 20)
    await heartbeat(hass)
    await advance(hass, freezer, 11)
    assert connectivity(hass, "gateway/BACK") == "off"
    await turn(hass, "off")
    await heartbeat(hass, "gateway/1", "NEW")
    await heartbeat(hass, "gateway/2", "BACK")
    await advance(hass, freezer, 3600)
    assert connectivity(hass, "gateway/NEW") is None
    assert entry.runtime_data.log.ignored == {"new_device": 1}

    await turn(hass, "on")
    assert connectivity(hass) == connectivity(hass, "gateway/BACK") == "on"
    await advance(hass, freezer, 29.9)
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 0.2)
    assert connectivity(hass) == "off"


@pytest.mark.parametrize("position", ["on", "off"])
async def test_a_position_that_does_not_change_does_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, position: str
) -> None:
    """An automation may turn it on each minute: nobody gets a deadline anew, and no event is lost."""
    await setup_site(hass)
    await heartbeat(hass)
    await turn(hass, position)
    await advance(hass, freezer, 25)
    await turn(hass, position)
    await advance(hass, freezer, 5.1)
    assert connectivity(hass) == ("off" if position == "on" else "unavailable")
    await turn(hass, position)
    await advance(hass, freezer, 15.1)
    event = entity_state(hass, "events", "event").attributes["event_type"]
    assert event == ("offline" if position == "on" else "discovered")


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
