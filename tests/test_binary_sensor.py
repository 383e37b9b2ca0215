"""Whether a device is online, as Home Assistant shows it."""

from __future__ import annotations

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest

from . import advance, connectivity, heartbeat, publish, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def test_the_wires_own_example(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass)
    await publish(
        hass,
        "sito_001/datalogger/monstro/1/heartbeat",
        '{"serial_number": "TEST123", "timestamp": "2025-10-17T10:00:00Z"}',
    )
    state = hass.states.get("binary_sensor.monstro_1_connectivity")
    assert state
    assert state.state == "on"
    assert state.attributes == {"device_class": "connectivity", "friendly_name": "monstro/1 Connectivity"}

    await advance(hass, freezer, 29.95)
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 0.06)
    assert connectivity(hass) == "off"
    await heartbeat(hass)
    assert connectivity(hass) == "on"
