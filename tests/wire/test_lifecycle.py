"""Entries that come and go while messages flow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from homeassistant.config_entries import ConfigEntry, ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
import pytest

from harness.broker import Broker
from harness.history import History
from tests import connectivity, setup_site

from . import DEVICE, Devices, heard, make_device, site_of, until

ENTITY = "binary_sensor.monstro_1_connectivity"
OFFLINE_AFTER = 5

type Disturbance = Callable[[HomeAssistant, ConfigEntry, ConfigEntry], Awaitable[None]]


async def reload_mqtt(hass: HomeAssistant, mqtt_entry: ConfigEntry, _entry: ConfigEntry) -> None:
    assert await hass.config_entries.async_reload(mqtt_entry.entry_id)


async def switch_mqtt_off_and_on(hass: HomeAssistant, mqtt_entry: ConfigEntry, _entry: ConfigEntry) -> None:
    await hass.config_entries.async_set_disabled_by(mqtt_entry.entry_id, ConfigEntryDisabler.USER)
    await hass.config_entries.async_set_disabled_by(mqtt_entry.entry_id, None)


async def reload_ours(hass: HomeAssistant, _mqtt_entry: ConfigEntry, entry: ConfigEntry) -> None:
    assert await hass.config_entries.async_reload(entry.entry_id)


async def reload_mqtt_then_ours(hass: HomeAssistant, mqtt_entry: ConfigEntry, entry: ConfigEntry) -> None:
    await reload_mqtt(hass, mqtt_entry, entry)
    await reload_ours(hass, mqtt_entry, entry)


async def reload_ours_while_mqtt_is_off(hass: HomeAssistant, mqtt_entry: ConfigEntry, entry: ConfigEntry) -> None:
    await hass.config_entries.async_set_disabled_by(mqtt_entry.entry_id, ConfigEntryDisabler.USER)
    assert not await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await hass.config_entries.async_set_disabled_by(mqtt_entry.entry_id, None)
    await reload_ours(hass, mqtt_entry, entry)


async def unload_ours_while_mqtt_is_unloaded(hass: HomeAssistant, mqtt_entry: ConfigEntry, entry: ConfigEntry) -> None:
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(mqtt_entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)


@pytest.mark.parametrize(
    "disturb",
    [
        reload_mqtt,
        switch_mqtt_off_and_on,
        reload_ours,
        reload_mqtt_then_ours,
        reload_ours_while_mqtt_is_off,
        unload_ours_while_mqtt_is_unloaded,
    ],
    ids=lambda disturb: disturb.__name__,
)
async def test_a_device_that_keeps_sending_is_heard_again_and_was_never_off(
    hass: HomeAssistant, devices: Devices, mqtt_entry: ConfigEntry, disturb: Disturbance
) -> None:
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(DEVICE)
    await until(lambda: connectivity(hass) == "on")
    history = History(hass)
    before = site_of(entry)

    await disturb(hass, mqtt_entry, entry)
    now = site_of(entry)
    messages_before = before.watch.messages
    await heard(entry)
    assert connectivity(hass) == "on"
    assert "off" not in history.of(ENTITY)
    if now is not before:
        assert before.watch.messages == messages_before
    newcomer = make_device("gateway/2", "NEW")
    devices.alive.add(newcomer)
    await until(lambda: connectivity(hass, newcomer.key) == "on")
    assert newcomer.key in now.fleet.records
    if now is not before:
        assert newcomer.key not in before.fleet.records


async def test_a_silent_device_gets_one_full_deadline_from_mqtts_return(
    hass: HomeAssistant, devices: Devices, mqtt_entry: ConfigEntry
) -> None:
    entry = await setup_site(hass, options={"offline_after": 2})
    devices.alive.add(DEVICE)
    await until(lambda: connectivity(hass) == "on")
    devices.alive.clear()
    history = History(hass)
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    await until(lambda: site_of(entry).fleet.paused)
    back = hass.loop.time()
    assert await hass.config_entries.async_setup(mqtt_entry.entry_id)
    await until(lambda: connectivity(hass) == "off")
    assert history.when(ENTITY, "off") >= back + 2


async def test_a_broker_that_is_away_at_setup_is_no_reason_not_to_load(
    hass: HomeAssistant,
    broker: Broker,
    devices: Devices,
    mqtt_entry: ConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("custom_components.site_devices.site.subscription.LOST_AFTER", 1.5)
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive.add(DEVICE)
    await until(lambda: connectivity(hass) == "on")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    broker.kill()

    assert await hass.config_entries.async_setup(mqtt_entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert connectivity(hass) == "on"
    history = History(hass)
    await until(lambda: connectivity(hass) == "unavailable")
    broker.start()
    await heard(entry)
    assert connectivity(hass) == "on"
    assert history.of(ENTITY) == ["unavailable", "on"]
