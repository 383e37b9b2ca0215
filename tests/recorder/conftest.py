"""A recorder: it must come before all else."""

from __future__ import annotations

from homeassistant.components.recorder import Recorder
import pytest
from pytest_homeassistant_custom_component.typing import MqttMockHAClient


@pytest.fixture
async def broker(recorder_mock: Recorder, broker: MqttMockHAClient) -> MqttMockHAClient:
    """Give Home Assistant a recorder, and then a mocked connection to a broker."""
    return broker
