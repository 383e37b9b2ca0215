"""Whether a device is online, as Home Assistant shows it."""

from __future__ import annotations

from homeassistant.core import HomeAssistant
import pytest

from . import publish
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def test_the_wires_own_example(hass: HomeAssistant, site: LiveSite) -> None:
    await publish(
        hass,
        "sito_001/datalogger/monstro/1/heartbeat",
        '{"serial_number": "TEST123", "timestamp": "2025-10-17T10:00:00Z"}',
    )
    state = hass.states.get("binary_sensor.monstro_1_connectivity")
    assert state
    assert state.state == "on"
    assert state.attributes == {"device_class": "connectivity", "friendly_name": "monstro/1 Connectivity"}

    await site.advance(29.95)
    assert site.connectivity() == "on"
    await site.advance(0.06)
    assert site.connectivity() == "off"
    await site.heartbeat()
    assert site.connectivity() == "on"
