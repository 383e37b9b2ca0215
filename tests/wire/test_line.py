"""Whether silence is the devices' own, over a real broker: one that freezes, and ones that let us publish less or more."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

from homeassistant.core import HomeAssistant
import pytest
import pytest_socket

from demo.broker import Broker
from tests import connectivity, setup_site

from . import DEVICE, Devices, History, site_of, until
from .conftest import has_mosquitto

pytestmark = [
    pytest.mark.usefixtures("mqtt_entry"),
    pytest.mark.skipif(not has_mosquitto, reason="needs Mosquitto"),
]

ENTITY = "binary_sensor.monstro_1_connectivity"
OFFLINE_AFTER = 5
SITE_ONLY = "topic readwrite sito_001/#\n"
USUAL = f"{SITE_ONLY}topic readwrite homeassistant/#\n"


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Generator[Broker]:
    """Run Mosquitto with an access list."""
    pytest_socket.enable_socket()
    with Broker(acl=request.param) as broker:
        yield broker


@pytest.mark.parametrize("broker", [USUAL], indirect=True)
async def test_a_frozen_broker_makes_nobody_offline_and_its_thaw_hides_no_silence(
    hass: HomeAssistant, broker: Broker, devices: Devices
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(DEVICE)
    await until(lambda: site_of(entry).line.works)
    history = History(hass)
    broker.freeze()
    await asyncio.sleep(3 * OFFLINE_AFTER)
    broker.thaw()
    await asyncio.sleep(OFFLINE_AFTER + 1)
    assert history.of(ENTITY) == []
    devices.alive.clear()
    await until(lambda: connectivity(hass) == "off")
    record = site_of(entry).fleet.records[DEVICE.key]
    assert history.when(ENTITY, "off") - record.heard == pytest.approx(OFFLINE_AFTER, abs=2)


@pytest.mark.parametrize(("broker", "works"), [(USUAL, True), (SITE_ONLY, False)], indirect=["broker"])
async def test_a_silent_site_is_offline_whether_the_broker_lets_the_echo_through_or_not(
    hass: HomeAssistant, devices: Devices, works: bool
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(DEVICE)
    await until(lambda: connectivity(hass) == "on")
    if works:
        await until(lambda: site_of(entry).line.works)
    else:
        await asyncio.sleep(3)
        assert not site_of(entry).line.works
    history = History(hass)
    devices.alive.clear()
    await until(lambda: connectivity(hass) == "off")
    record = site_of(entry).fleet.records[DEVICE.key]
    assert history.when(ENTITY, "off") - record.heard == pytest.approx(OFFLINE_AFTER, abs=2)
