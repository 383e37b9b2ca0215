"""A real broker, and Home Assistant's own MQTT client on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
import pytest
import pytest_socket

from harness.broker import Broker, find
from harness.core import add_mqtt

from . import Devices

CLIENT_ID = "home-assistant"
RECONNECT_SECONDS = 0.5  # Home Assistant's own are 10


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Generator[Broker]:
    """Run Mosquitto, with the settings that a test gives."""
    if find("mosquitto") is None:
        pytest.skip("needs Mosquitto")
    pytest_socket.enable_socket()
    with Broker(**getattr(request, "param", {})) as broker:
        yield broker


@pytest.fixture
def devices(broker: Broker) -> Generator[Devices]:
    """Have devices in the field."""
    with Devices(broker.port) as devices:
        yield devices


@pytest.fixture
def mqtt_port(broker: Broker) -> int:
    """Where Home Assistant connects to."""
    return broker.port


@pytest.fixture
async def mqtt_entry(
    enable_custom_integrations: None,
    mock_hass_config: None,
    hass: HomeAssistant,
    broker: Broker,
    mqtt_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[ConfigEntry]:
    """Connect Home Assistant to the broker."""
    monkeypatch.setattr("homeassistant.components.mqtt.client.RECONNECT_INTERVAL_SECONDS", RECONNECT_SECONDS)
    monkeypatch.setattr("homeassistant.components.mqtt.client.INITIAL_SUBSCRIBE_COOLDOWN", 0.1)
    login = {"username": "homeassistant", "password": broker.users["homeassistant"]} if broker.users else {}
    entry = await add_mqtt(hass, mqtt_port, client_id=CLIENT_ID, **login)
    assert entry.state is ConfigEntryState.LOADED
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
