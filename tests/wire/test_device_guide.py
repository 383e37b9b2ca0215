"""The client that the guide for firmware authors prints: run as it is, it is a device as good as any."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
import subprocess
import sys

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest

from harness.broker import Broker
from harness.history import History
from tests import connectivity, entity_state, setup_site
from tests.checkout import ROOT
from tests.test_docs import blocks

from . import heard, until

ENTITY = "binary_sensor.monstro_1_connectivity"
OFFLINE_AFTER = 5
LINES = 20


@pytest.fixture
def client(tmp_path: Path) -> str:
    """Return the client, which sends fifty times as often here."""
    guide = (ROOT / "docs/device-guide.md").read_text(encoding="utf-8")
    (text,) = (block.text for block in blocks(guide) if block.info == "python client")
    assert text.count(", 10  # seconds") == 1
    return text.replace(", 10  # seconds", ", 0.2  # seconds")


@pytest.fixture
def device(client: str, broker: Broker) -> Generator[subprocess.Popen[bytes]]:
    """Run the client as a process of its own."""
    with subprocess.Popen([sys.executable, "-c", client, broker.host, str(broker.port)]) as process:
        yield process
        process.kill()


def test_the_client_has_as_few_lines_as_is_said(client: str) -> None:
    assert sum(bool(line.strip()) for line in client.splitlines()) <= LINES


async def test_the_client_is_a_device_until_it_is_switched_off(
    hass: HomeAssistant, mqtt_entry: ConfigEntry, device: subprocess.Popen[bytes]
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})

    await until(lambda: connectivity(hass) == "on")
    temperature = "datalogger/TEST123/in/temperature"
    await until(lambda: (state := entity_state(hass, temperature, "sensor")) and state.state == "21.5")
    assert entity_state(hass, temperature, "sensor").attributes["device_class"] == "temperature"
    pages = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert {(page.serial_number, page.sw_version) for page in pages} >= {("TEST123", "1.0.0")}

    device.kill()
    await until(lambda: connectivity(hass) == "off")


async def test_the_client_comes_back_with_the_broker(
    hass: HomeAssistant, mqtt_entry: ConfigEntry, broker: Broker, device: subprocess.Popen[bytes]
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    await until(lambda: connectivity(hass) == "on")
    history = History(hass)

    await hass.async_add_executor_job(broker.stop)
    await hass.async_add_executor_job(broker.start)
    await heard(entry)

    assert device.poll() is None
    assert connectivity(hass) == "on"
    assert history.of(ENTITY) == []
