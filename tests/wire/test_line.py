"""Whether silence is the devices' own, over a real broker: one that freezes, and ones that let us publish less or more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from homeassistant.core import HomeAssistant
import pytest

from harness.broker import Broker
from harness.history import History
from tests import connectivity, setup_site

from . import DEVICE, Device, Devices, make_device, site_of, until

pytestmark = pytest.mark.usefixtures("mqtt_entry")

ENTITY = "binary_sensor.monstro_1_connectivity"
OFFLINE_AFTER = 5
LIVE_EVERY = 4  # seconds between the heartbeats of the only one that lives: few enough for silence to need an echo
SITE_ONLY = "topic readwrite sito_001/#\n"
USUAL = f"{SITE_ONLY}topic readwrite homeassistant/#\n"


@pytest.mark.parametrize("broker", [{"acl": USUAL}], indirect=True)
async def test_a_frozen_broker_makes_nobody_offline_and_its_thaw_hides_no_silence(
    hass: HomeAssistant, broker: Broker, devices: Devices
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(DEVICE)
    await until(lambda: site_of(entry).watch.link.works)
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


@pytest.mark.parametrize(
    ("broker", "works"), [({"acl": USUAL}, True), ({"acl": SITE_ONLY}, False)], indirect=["broker"]
)
async def test_a_silent_site_is_offline_whether_the_broker_lets_the_echo_through_or_not(
    hass: HomeAssistant, devices: Devices, works: bool
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(DEVICE)
    await until(lambda: connectivity(hass) == "on")
    if works:
        await until(lambda: site_of(entry).watch.link.works)
    else:
        # three probes in vain, then silence is taken for real
        await until(lambda: site_of(entry).watch.link.decide_from(0, OFFLINE_AFTER) == 0)
    history = History(hass)
    devices.alive.clear()
    await until(lambda: connectivity(hass) == "off")
    record = site_of(entry).fleet.records[DEVICE.key]
    assert history.when(ENTITY, "off") - record.heard == pytest.approx(OFFLINE_AFTER, abs=2)


@pytest.mark.parametrize("broker", [{"acl": USUAL}], indirect=True)
async def test_an_echo_that_is_let_through_no_longer_hides_nobody_beside_a_live_device(
    hass: HomeAssistant, broker: Broker, devices: Devices, record_property: Callable[[str, object], None]
) -> None:
    """The last ask is one second before a deadline at the latest, and not within one second after a message.

    So the next heartbeat of the live device comes up to `LIVE_EVERY - 1` seconds after it; two more are waited for an
    echo. Whoever is dead is off `OFFLINE_AFTER + LIVE_EVERY` seconds after its last heartbeat, plus some for the machine.
    """
    live = make_device("gateway/1", "LIVE")
    dead = [make_device(f"datalogger/monstro/{number}", f"DEAD-{number}") for number in range(2)]
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(live)
    await until(lambda: site_of(entry).watch.link.works)
    devices.alive.clear()
    history = History(hass)
    broker.change_access(SITE_ONLY)

    async def live_on() -> None:
        while True:
            devices.heartbeat(live)
            await asyncio.sleep(LIVE_EVERY)

    async def seconds_to_off(device: Device) -> float:
        fleet = site_of(entry).fleet
        before = fleet.records[live.key].heard
        await until(lambda: fleet.records[live.key].heard > before)
        # the deadline is between two heartbeats of the live one, of which the second comes more than 2 s after an ask
        await asyncio.sleep(LIVE_EVERY / 2)
        sent = hass.loop.time()
        devices.heartbeat(device)
        await until(lambda: connectivity(hass, device.key) == "on")
        await until(lambda: connectivity(hass, device.key) == "off")
        entity = f"binary_sensor.monstro_{device.address[-1]}_connectivity"
        return history.when(entity, "off") - sent

    beats = hass.async_create_background_task(live_on(), "a live device")
    delays = [await seconds_to_off(device) for device in dead]
    beats.cancel()
    record_property("s to off of those beside a live device", " ".join(f"{delay:.1f}" for delay in delays))
    assert all(OFFLINE_AFTER <= delay < OFFLINE_AFTER + LIVE_EVERY + 1 for delay in delays)
    # three asks were in vain by then, two of them for the live one itself: there is no further one
    assert delays[-1] == pytest.approx(OFFLINE_AFTER, abs=0.5)
    assert not site_of(entry).watch.link.works
    assert "off" not in history.of("binary_sensor.gateway_1_connectivity")
