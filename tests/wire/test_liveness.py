"""Whether a device is online, over a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import time

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
import pytest

from harness.broker import Broker
from harness.history import History
from tests import SITE, connectivity, setup_site

from . import Devices, heard, make_device, site_of, until

pytestmark = pytest.mark.usefixtures("mqtt_entry")

ALIVE = make_device("datalogger/monstro/1", "ALIVE")
SILENT = make_device("gateway/1", "SILENT")
ALIVE_ENTITY = "binary_sensor.monstro_1_connectivity"
SILENT_ENTITY = "binary_sensor.gateway_1_connectivity"


async def setup_both(hass: HomeAssistant, devices: Devices, offline_after: float) -> ConfigEntry:
    """Set a site up with two devices online, of which one keeps sending."""
    entry = await setup_site(hass, options={"offline_after": offline_after})
    devices.alive |= {ALIVE, SILENT}
    await until(lambda: {connectivity(hass, ALIVE.key), connectivity(hass, SILENT.key)} == {"on"})
    devices.alive.remove(SILENT)
    return entry


async def test_a_device_is_on_with_its_heartbeat_and_off_after_its_deadline(
    hass: HomeAssistant, devices: Devices, record_property: Callable[[str, object], None]
) -> None:
    entry = await setup_both(hass, devices, 5)
    history = History(hass)
    await until(lambda: connectivity(hass, SILENT.key) == "off")
    record = site_of(entry).fleet.records[SILENT.key]
    lateness = history.when(SILENT_ENTITY, "off") - (record.heard + 5)
    record_property("ms from the deadline to the state", round(1000 * lateness, 1))
    assert 0 <= lateness < 5
    assert history.of(ALIVE_ENTITY) == []


async def test_a_broker_that_crashes_and_comes_back_flips_nobody(
    hass: HomeAssistant, broker: Broker, devices: Devices
) -> None:
    entry = await setup_both(hass, devices, 5)
    history = History(hass)
    connection: list[tuple[bool, float]] = []
    mqtt.async_subscribe_connection_status(hass, lambda up: connection.append((up, hass.loop.time())))
    broker.kill()
    await asyncio.sleep(5.5)
    assert history.of(ALIVE_ENTITY) == history.of(SILENT_ENTITY) == []
    broker.start()
    await heard(entry)
    newcomer = make_device("gateway/2", "NEW")
    devices.alive.add(newcomer)
    await until(lambda: connectivity(hass, newcomer.key) == "on")
    await until(lambda: connectivity(hass, SILENT.key) == "off")

    assert [up for up, _ in connection] == [False, True]
    assert history.when(SILENT_ENTITY, "off") >= connection[-1][1] + 5 - 0.1  # the site hears of it a little before us
    assert history.of(ALIVE_ENTITY) == []


@pytest.mark.parametrize("seconds", [3, 6], ids=["late", "blind"])
async def test_a_loop_that_was_held_up_flips_nobody_who_sent_meanwhile(
    hass: HomeAssistant, devices: Devices, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Home Assistant's client reads one message in a turn of the loop: the last of many waits for long."""
    monkeypatch.setattr("custom_components.site_devices.site.watch._MAX_READING", 20.0)  # a busy machine reads slowly
    await setup_both(hass, devices, 2)
    many = {make_device(f"datalogger/lampo/{number}", f"L{number}") for number in range(40)}
    devices.alive |= many
    await until(lambda: all(connectivity(hass, device.key) == "on" for device in many))
    history = History(hass)
    time.sleep(seconds)  # noqa: ASYNC251
    await asyncio.sleep(2.5)
    await until(lambda: connectivity(hass, SILENT.key) == "off")
    assert {entity_id for _, entity_id, state, _ in history.changes if state == "off"} <= {SILENT_ENTITY}


async def test_a_retained_heartbeat_tells_that_a_device_exists_not_that_it_lives(
    hass: HomeAssistant, devices: Devices, mqtt_entry: ConfigEntry
) -> None:
    devices.heartbeat(SILENT, retain=True)
    devices.heartbeat(ALIVE, retain=True)
    entry = await setup_site(hass, options={"offline_after": 1})
    await until(lambda: connectivity(hass, SILENT.key))
    await until(lambda: connectivity(hass, ALIVE.key))
    devices.alive.add(ALIVE)
    await until(lambda: connectivity(hass, ALIVE.key) == "on")
    devices.alive.clear()
    await until(lambda: connectivity(hass, ALIVE.key) == "off")
    assert connectivity(hass, SILENT.key) == "unknown"

    retained_again = site_of(entry).watch.messages + 2
    await hass.config_entries.async_reload(mqtt_entry.entry_id)
    await until(lambda: site_of(entry).watch.messages == retained_again)
    await hass.async_block_till_done()
    assert connectivity(hass, ALIVE.key) == "off"
    assert connectivity(hass, SILENT.key) == "unknown"


async def test_two_sites_know_nothing_of_each_other(hass: HomeAssistant, devices: Devices) -> None:
    """Not even of a device with the same serial at the same address."""
    here, there = make_device(), make_device(site="sito_002")
    for code in (here.site, there.site):
        await setup_site(hass, code, options={"offline_after": 3})
    devices.alive.add(here)
    await until(lambda: connectivity(hass, here.key, here.site) == "on")
    assert connectivity(hass, there.key, there.site) is None

    devices.alive.add(there)
    await until(lambda: connectivity(hass, there.key, there.site) == "on")
    devices.alive.remove(here)
    await until(lambda: connectivity(hass, here.key, here.site) == "off")
    assert connectivity(hass, there.key, there.site) == "on"


async def test_hundreds_that_appear_and_fall_silent_at_once_are_all_on_and_all_off(
    hass: HomeAssistant, devices: Devices, record_property: Callable[[str, object], None]
) -> None:
    entry = await setup_site(hass, options={"offline_after": 120})
    devices.alive.add(ALIVE)
    await heard(entry)
    fleet = [make_device(f"datalogger/monstro/{number}", f"T{number}") for number in range(600)]
    for device in fleet:
        devices.heartbeat(device)
    await until(lambda: all(connectivity(hass, device.key) == "on" for device in fleet))

    history = History(hass)
    hass.config_entries.async_update_entry(entry, options={"offline_after": 3})
    for device in fleet:
        devices.heartbeat(device)
    await until(lambda: all(connectivity(hass, device.key) == "off" for device in fleet))
    last_deadline = max(site_of(entry).fleet.records[device.key].heard for device in fleet) + 3
    lateness = max(at for at, _, state, _ in history.changes if state == "off") - last_deadline
    record_property("ms from the last deadline to the last state", round(1000 * lateness, 1))


async def test_what_is_no_message_breaks_nothing_and_stays_out_of_the_log(
    hass: HomeAssistant, devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await setup_site(hass)
    devices.alive.add(ALIVE)
    await heard(entry)
    topic = f"{SITE}/{ALIVE.address}/heartbeat"
    rubbish = [
        (topic, b'{"serial_number": "\xff\xfe"}'),
        (topic, b"\x00\x01\x80"),
        (topic, b""),
        (topic, b"[" * 100_000),
        (topic, b'{"serial_number": ' + b'{"a": ' * 100_000),
        (topic, b'{"serial_number": "A", "x": "' + 1_000_000 * b"x" + b'"}'),
        (topic, b'"serial_number"'),
        (topic, b'{"serial_number": null}'),
        (topic, b'{"serial_number": "\\ud800"}'),
        (topic, b'{"serial_number": NaN}'),
        (f"{SITE}/datalogger//1/heartbeat", b'{"serial_number": "A"}'),
        (f"{SITE}/datalogger/monstro/1/command", b'{"serial_number": "A"}'),
        (f"{SITE}/gateway/{1000 * 'x'}/heartbeat", b'{"serial_number": "A"}'),
        (f"{SITE}/gateway/1/input", b'{"serial_number": "NEVER HEARD OF", "value": 1}'),
    ]
    caplog.clear()
    for wrong in rubbish:
        devices.publish(*wrong)
    await until(lambda: sum(site_of(entry).log.ignored.values()) == len(rubbish))
    await heard(entry)
    assert list(site_of(entry).fleet.records) == [ALIVE.key]
    loud = [record for record in caplog.records if record.levelname not in {"DEBUG", "INFO"}]
    assert [record.getMessage() for record in loud if record.name != "asyncio"] == []
    ours = [record for record in caplog.records if record.name.startswith("custom_components.site_devices")]
    assert {record.levelname for record in ours} == {"DEBUG"}
    assert max(len(record.getMessage()) for record in ours) < 400
