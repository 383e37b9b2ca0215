"""The clock on the wall jumps, and the event loop is held up, while devices beat over a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import time

from homeassistant.core import HomeAssistant
import pytest

from harness.history import History
from tests import connectivity, setup_site

from . import Devices, heard, make_device, site_of, until

pytestmark = pytest.mark.usefixtures("mqtt_entry")

ALIVE = make_device("datalogger/monstro/1", "ALIVE")
SILENT = make_device("gateway/1", "SILENT")
OFFLINE_AFTER = 5
HOUR, DAY = 3600, 86_400


async def test_a_wall_clock_that_jumps_by_an_hour_or_a_day_flips_nobody(
    hass: HomeAssistant,
    devices: Devices,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    offset = 0
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + offset)
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive |= {ALIVE, SILENT}
    await until(lambda: {connectivity(hass, ALIVE.key), connectivity(hass, SILENT.key)} == {"on"})
    history = History(hass)
    for jump in (HOUR, -HOUR, DAY, -DAY, 0):
        offset = jump
        await heard(entry)
        await asyncio.sleep(1)
        record = site_of(entry).fleet.records[ALIVE.key]
        assert (record.last_heartbeat or 0) - real() == pytest.approx(jump, abs=5)  # it did jump
    assert history.of("binary_sensor.monstro_1_connectivity") == []
    assert history.of("binary_sensor.gateway_1_connectivity") == []

    devices.alive.remove(SILENT)
    offset = DAY
    await until(lambda: connectivity(hass, SILENT.key) == "off")
    silent = site_of(entry).fleet.records[SILENT.key]
    delay = history.when("binary_sensor.gateway_1_connectivity", "off") - silent.heard
    record_property("s to off of a device that is silent while the clock jumps by a day", round(delay, 2))
    assert delay == pytest.approx(OFFLINE_AFTER, abs=2)


async def test_a_loop_that_is_held_up_for_twice_a_deadline_flips_nobody(hass: HomeAssistant, devices: Devices) -> None:
    await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive |= {ALIVE, SILENT}
    await until(lambda: {connectivity(hass, ALIVE.key), connectivity(hass, SILENT.key)} == {"on"})
    history = History(hass)
    time.sleep(10)  # noqa: ASYNC251
    await asyncio.sleep(OFFLINE_AFTER + 1)
    assert [state for _, entity_id, state, _ in history.changes if entity_id.endswith("1_connectivity")] == []
