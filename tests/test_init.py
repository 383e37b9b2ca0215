"""Entries that come and go: set up, unloaded, deleted."""

from __future__ import annotations

from typing import Any

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
import pytest

from custom_components.site_devices import async_remove_config_entry_device
from custom_components.site_devices.const import DOMAIN

from . import connectivity, heartbeat, lose_connection, setup_site

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.usefixtures("broker")
async def test_it_waits_for_mqtt_to_be_loaded_and_says_so(hass: HomeAssistant) -> None:
    (mqtt_entry,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    entry = await setup_site(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "mqtt_not_loaded"
    assert "Settings → Devices & services" in entry.reason


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_without_mqtt_it_does_not_start_at_all(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    assert entry.state in (ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR)
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)


@pytest.mark.usefixtures("broker")
async def test_it_loads_while_the_broker_is_away(hass: HomeAssistant) -> None:
    lose_connection(hass)
    entry = await setup_site(hass)
    assert entry.state is ConfigEntryState.LOADED


@pytest.mark.usefixtures("broker")
async def test_two_sites_share_nothing(hass: HomeAssistant) -> None:
    one, other = await setup_site(hass), await setup_site(hass, "sito_002")
    await heartbeat(hass)
    assert connectivity(hass) == "on"
    assert connectivity(hass, site="sito_002") is None
    await heartbeat(hass, site="sito_002")
    assert await hass.config_entries.async_unload(one.entry_id)
    assert connectivity(hass) == "unavailable"
    assert connectivity(hass, site="sito_002") == "on"
    assert {record.key for record in other.runtime_data.fleet.records.values()} == {"datalogger/TEST123"}


@pytest.mark.usefixtures("broker")
async def test_a_deleted_site_leaves_nothing_behind(hass: HomeAssistant, hass_storage: dict[str, Any]) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass, serial="A")
    await heartbeat(hass, serial="B")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert f"{DOMAIN}.{entry.entry_id}" in hass_storage
    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    assert not [domain for domain, _ in ir.async_get(hass).issues if domain == DOMAIN]
    assert not er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert not [state for state in hass.states.async_all() if "monstro" in state.entity_id]


@pytest.mark.usefixtures("broker")
async def test_a_site_that_never_started_can_be_deleted(hass: HomeAssistant) -> None:
    (mqtt_entry,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    entry = await setup_site(hass)
    assert await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []


@pytest.mark.usefixtures("broker")
async def test_devices_of_a_site_that_is_not_loaded_cannot_be_deleted(hass: HomeAssistant) -> None:
    """Nobody knows whether they are online, and they would be there again with the next start."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id):
        with pytest.raises(HomeAssistantError) as refused:
            await async_remove_config_entry_device(hass, entry, device)
        assert refused.value.translation_key == "site_not_loaded"
        assert refused.value.translation_placeholders == {"site": "sito_001"}
