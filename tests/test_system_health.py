"""System health: all sites together, on Home Assistant's own page."""

from __future__ import annotations

from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info

from custom_components.site_devices.const import DOMAIN

from . import advance, heartbeat, lose_connection, publish, setup_site
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def health(hass: HomeAssistant) -> dict[str, Any]:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    return await get_system_health_info(hass, DOMAIN)


async def test_a_site_that_has_heard_nothing(hass: HomeAssistant, site: LiveSite) -> None:
    assert await health(hass) == {
        "sites": 1,
        "sites_loaded": 1,
        "devices_known": 0,
        "devices_online": 0,
        "messages_ignored": "0",
        "last_heartbeat": "–",
        "mqtt_connected": True,
    }


async def test_all_sites_are_summed_up(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entries = [await setup_site(hass, code) for code in ("sito_001", "sito_002", "sito_003")]
    await heartbeat(hass)
    await heartbeat(hass, "gateway/1", "GATE")
    await advance(hass, freezer, 31)
    await heartbeat(hass, site="sito_002")
    await publish(hass, "sito_001/gateway/1/heartbeat", b"")
    await publish(hass, "sito_002/gateway/1/heartbeat", b"")
    await publish(hass, "sito_002/gateway/1/heartbeat", b"\xff")
    await hass.config_entries.async_unload(entries[2].entry_id)
    freezer.tick(7)
    assert await health(hass) == {
        "sites": 3,
        "sites_loaded": 2,
        "devices_known": 3,
        "devices_online": 1,
        "messages_ignored": "empty 2, not_utf8 1",
        "last_heartbeat": 7,
        "mqtt_connected": True,
    }


@pytest.mark.parametrize("language", ["en", "it"])
async def test_each_line_of_system_health_has_its_words(hass: HomeAssistant, site: LiveSite, language: str) -> None:
    texts = await async_get_translations(hass, language, "system_health", {DOMAIN})
    assert texts.keys() == {f"component.{DOMAIN}.system_health.info.{line}" for line in await health(hass)}


async def test_mqtt_is_told_as_not_connected_without_a_connection(hass: HomeAssistant, site: LiveSite) -> None:
    lose_connection(hass)
    assert (await health(hass))["mqtt_connected"] is False


async def test_mqtt_is_told_as_not_connected_without_its_entry(hass: HomeAssistant, site: LiveSite) -> None:
    mqtt: MockConfigEntry = hass.config_entries.async_entries("mqtt")[0]
    mqtt.mock_state(hass, ConfigEntryState.NOT_LOADED)
    assert (await health(hass))["mqtt_connected"] is False
    mqtt.mock_state(hass, ConfigEntryState.LOADED)
