"""A real broker, and Home Assistant's own MQTT client on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
import shutil

from homeassistant.components.mqtt.config_flow import FlowHandler
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import pytest_socket

from demo.broker import SYSTEM_PATHS, Broker

from . import Devices

CLIENT_ID = "home-assistant"
RECONNECT_SECONDS = 0.5  # Home Assistant's own are 10

has_mosquitto = any(shutil.which("mosquitto", path=path) for path in (None, *SYSTEM_PATHS))


@pytest.fixture
def broker() -> Generator[Broker]:
    """Run Mosquitto."""
    if not has_mosquitto:
        pytest.skip("needs Mosquitto")
    pytest_socket.enable_socket()
    with Broker() as broker:
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
) -> AsyncGenerator[MockConfigEntry]:
    """Connect Home Assistant to the broker."""
    monkeypatch.setattr("homeassistant.components.mqtt.client.RECONNECT_INTERVAL_SECONDS", RECONNECT_SECONDS)
    monkeypatch.setattr("homeassistant.components.mqtt.client.INITIAL_SUBSCRIBE_COOLDOWN", 0.1)
    login = {"username": "homeassistant", "password": broker.users["homeassistant"]} if broker.users else {}
    entry = MockConfigEntry(
        domain="mqtt",
        version=FlowHandler.VERSION,
        minor_version=FlowHandler.MINOR_VERSION,
        data={
            "broker": broker.host,
            "port": mqtt_port,
            "client_id": CLIENT_ID,
            "protocol": "5",
            "discovery": False,
            **login,
        },
        options={"birth_message": {}},  # its task complains loudly when the broker goes away under it
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    yield entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
