"""Monitoring: a switch for planned work."""

from __future__ import annotations

from homeassistant.core import HomeAssistant
import pytest

from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def test_monitoring_that_is_off_leaves_itself_the_events_and_data_available(
    hass: HomeAssistant, site: LiveSite
) -> None:
    await site.heartbeat()
    await site.report(temperature=21)
    await site.monitor("off")
    available = {state.entity_id for state in hass.states.async_all() if state.state != "unavailable"}
    assert available == {"switch.sito_001_monitoring", "event.sito_001_events", "sensor.monstro_1_temperature"}
    assert site.state("switch.sito_001_monitoring") == "off"
    await site.report(temperature=22)
    assert site.state("sensor.monstro_1_temperature") == "22"

    await site.monitor("on")
    assert site.connectivity() == "on"
    assert not [state for state in hass.states.async_all() if state.state == "unavailable"]


async def test_monitoring_that_is_off_creates_and_judges_nobody_but_hears_who_is_known(site: LiveSite) -> None:
    await site.heartbeat()
    await site.heartbeat("gateway/2", "BACK")
    await site.advance(20)
    await site.heartbeat()
    await site.advance(11)
    assert site.connectivity("gateway/BACK") == "off"
    await site.monitor("off")
    await site.heartbeat("gateway/1", "NEW")
    await site.heartbeat("gateway/2", "BACK")
    await site.advance(3600)
    assert site.connectivity("gateway/NEW") is None
    assert site.running.log.ignored == {"new_device": 1}

    await site.monitor("on")
    assert site.connectivity() == site.connectivity("gateway/BACK") == "on"
    await site.advance(29.9)
    assert site.connectivity() == "on"
    await site.advance(0.2)
    assert site.connectivity() == "off"


@pytest.mark.parametrize("position", ["on", "off"])
async def test_a_position_that_does_not_change_does_nothing(site: LiveSite, position: str) -> None:
    """An automation may turn it on each minute: nobody gets a deadline anew, and no event is lost."""
    await site.heartbeat()
    await site.monitor(position)
    await site.advance(25)
    await site.monitor(position)
    await site.advance(5.1)
    assert site.connectivity() == ("off" if position == "on" else "unavailable")
    await site.monitor(position)
    await site.advance(15.1)
    event = site.entity("events", "event").attributes["event_type"]
    assert event == ("offline" if position == "on" else "discovered")


async def test_the_position_outlives_a_restart(site: LiveSite) -> None:
    await site.heartbeat()
    await site.monitor("off")
    await site.reload()
    assert site.entity("monitoring", "switch").state == "off"
    assert site.connectivity() == "unavailable"
    await site.advance(60)
    await site.monitor("on")
    assert site.connectivity() == "on"
