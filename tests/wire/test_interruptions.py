"""A connection that another client takes again and again hides no silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant
import pytest

from harness.broker import Broker
from harness.history import History
from simulator.connection import Connection as Client
from tests import connectivity, setup_site

from . import Connection, Device, Devices, make_device, site_of, until
from .conftest import CLIENT_ID

OFFLINE_AFTER = 5
TAKEN_EVERY = OFFLINE_AFTER / 2
LIVE, DEAD, NEXT = (make_device(f"gateway/{number}", f"GW-{number}") for number in (1, 2, 3))
SLACK = 1.0  # seconds, for what was on its way and a busy machine


def entity_of(device: Device) -> str:
    return f"binary_sensor.gateway_{device.address[-1]}_connectivity"


@contextmanager
def intruder(hass: HomeAssistant, broker: Broker) -> Iterator[None]:
    """Let another client take Home Assistant's connection, again and again; Home Assistant then takes it back."""

    def take() -> None:
        with Client(broker.host, broker.port, client_id=CLIENT_ID):
            pass

    async def intrude() -> None:
        while True:
            await asyncio.sleep(TAKEN_EVERY)
            await hass.async_add_executor_job(take)

    task = hass.async_create_background_task(intrude(), "another client")
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.usefixtures("mqtt_entry")
async def test_a_connection_taken_within_each_deadline_hides_no_dead_device_and_flips_no_live_one(
    hass: HomeAssistant, broker: Broker, devices: Devices, record_property: Callable[[str, object], None]
) -> None:
    """The first interruption gives a full deadline, the others only what they took themselves."""
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive |= {LIVE, DEAD, NEXT}
    await until(lambda: len(site_of(entry).fleet.records) == 3)
    history = History(hass)
    connection = Connection(hass)

    def is_off(device: Device) -> bool:
        return connectivity(hass, device.key) == "off"

    with intruder(hass, broker):
        for device in (DEAD, NEXT):
            await until(lambda: mqtt.is_connected(hass))
            died = hass.loop.time()
            devices.alive.remove(device)
            await until(partial(is_off, device))
            off = history.when(entity_of(device), "off")
            losses = connection.losses(died, off)
            listened = connection.seconds(died, off)
            record_property(f"{device.serial}: s listened to before it was off", round(listened, 1))
            record_property(f"{device.serial}: connections lost meanwhile", losses)
            assert losses >= 2
            assert OFFLINE_AFTER - SLACK < listened < TAKEN_EVERY + OFFLINE_AFTER + SLACK
    assert "off" not in history.of(entity_of(LIVE))
