"""A recorder: it must come before all else, so what these tests share is apart from what all others do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient


@pytest.fixture
async def broker(
    recorder_mock: Recorder, enable_custom_integrations: None, hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> AsyncGenerator[MqttMockHAClient]:
    """Give Home Assistant a recorder, and a mocked connection to a broker."""
    yield mqtt_mock
    # MQTT's own timer of one second would linger
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
    await hass.async_block_till_done()
