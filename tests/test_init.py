"""Entries that come and go: set up, unloaded, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
import gc
import logging
from typing import Any
from unittest.mock import AsyncMock
import weakref

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import mqtt
from homeassistant.components.mqtt.util import EnsureJobAfterCooldown
from homeassistant.config_entries import ConfigEntries, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady, HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
from homeassistant.helpers.entity_platform import async_get_platforms
from homeassistant.helpers.storage import Store
import pytest

from custom_components.site_devices import async_remove_config_entry_device, binary_sensor
from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.site.echo import Echo
from custom_components.site_devices.site.site import Site
from custom_components.site_devices.site.storage import SiteStore
from custom_components.site_devices.site.subscription import Subscription

from . import advance, connectivity, heartbeat, lose_connection, setup_site, subscribed

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.usefixtures("broker")
async def test_a_site_waits_for_mqtt_to_be_loaded_and_says_so(hass: HomeAssistant) -> None:
    (mqtt_entry,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    entry = await setup_site(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "mqtt_not_loaded"
    assert "Settings → Devices & services" in entry.reason


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_a_site_without_mqtt_does_not_start_at_all(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    assert entry.state in (ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR)
    assert not dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)


@pytest.mark.usefixtures("broker")
async def test_a_site_loads_while_the_broker_is_away(hass: HomeAssistant) -> None:
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


# A setup that fails


def held(hass: HomeAssistant) -> dict[str, Any]:
    """Return what Home Assistant holds that may be ours: listeners, timers, subscriptions, platforms, issues."""
    waiting = [timer._callback for timer in hass.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    owners = [getattr(callback, "__self__", None) for callback in waiting]
    of_mqtt = [isinstance(owner, EnsureJobAfterCooldown) for owner in owners]
    other_stores = [isinstance(owner, Store) and DOMAIN not in owner.key for owner in owners]
    return {
        "listeners": {
            event: count
            for event, count in hass.bus.async_listeners().items()
            if count and event != EVENT_HOMEASSISTANT_FINAL_WRITE  # of stores with a timer
        },
        "timers": sorted(
            callback.__qualname__
            for callback, *others in zip(waiting, of_mqtt, other_stores, strict=True)
            if not any(others)
        ),
        "subscribed": subscribed(hass),
        # the oldest end goes on listing those that were unloaded
        "platforms": [platform.domain for platform in async_get_platforms(hass, DOMAIN) if platform.entities],
        "issues": [issue for domain, issue in ir.async_get(hass).issues if domain == DOMAIN],
    }


RETRY, ERROR = ConfigEntryState.SETUP_RETRY, ConfigEntryState.SETUP_ERROR


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize("really", [True, False])
@pytest.mark.parametrize(
    ("owner", "step", "error", "state"),
    [
        (SiteStore, "async_load", ConfigEntryNotReady, RETRY),
        (Site, "async_load", RuntimeError, ERROR),
        (Site, "async_load", asyncio.CancelledError, ERROR),
        (ConfigEntries, "async_forward_entry_setups", ImportError, ERROR),
        (ConfigEntries, "async_forward_entry_setups", asyncio.CancelledError, ERROR),
        (Subscription, "async_start", HomeAssistantError, RETRY),
        (Echo, "async_start", HomeAssistantError, RETRY),
        (Site, "async_start", RuntimeError, ERROR),
    ],
)
async def test_a_setup_that_fails_leaves_nothing_behind(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
    error: type[BaseException],
    state: ConfigEntryState,
    really: bool,
) -> None:
    """Wherever it fails, before a step does anything or when it is through, and whatever the user does meanwhile."""
    entry = await setup_site(hass)
    await heartbeat(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await advance(hass, freezer, 60)
    before = held(hass)
    original: Callable[..., Awaitable[Any]] = getattr(owner, step)
    sites: list[weakref.ref[Site]] = []

    async def fail(*args: Any) -> None:
        if really:
            end = await original(*args)
            if callable(end):
                end()  # what fails after all ends what it has started
        site = entry.runtime_data
        sites.append(weakref.ref(site))
        site.issues._set("silent_site", {})
        hass.config_entries.async_update_entry(entry, options={"offline_after": 60})
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(owner, step, fail)
        broken.setattr(logging.root.manager, "disable", logging.CRITICAL)  # a traceback that was logged holds the site
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is state
    hass.config_entries.async_update_entry(entry, options={"offline_after": 90})
    assert await hass.config_entries.async_unload(entry.entry_id)  # there may be a retry on its way
    await hass.async_block_till_done()
    assert held(hass) == before
    gc.collect()
    assert [site() for site in sites] == [None]

    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 91)
    assert connectivity(hass) == "off"


@pytest.mark.usefixtures("broker")
async def test_platforms_that_were_never_set_up_are_not_unloaded(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Home Assistant would complain in the log; those of another site are none of ours."""
    await setup_site(hass)
    monkeypatch.setattr(ConfigEntries, "async_forward_entry_setups", AsyncMock(side_effect=ImportError))
    entry = await setup_site(hass, "sito_002")
    assert entry.state is ERROR
    complaints = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert complaints == ["Error setting up entry sito_002 for site_devices"]
    caplog.clear()


@pytest.mark.usefixtures("broker")
async def test_options_changed_while_a_failed_setup_is_taken_back_change_nothing(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[Site] = []
    monkeypatch.setattr(Site, "async_apply_options", applied.append)

    async def save(site: Site) -> None:
        (entry,) = hass.config_entries.async_entries(DOMAIN)
        hass.config_entries.async_update_entry(entry, options={"offline_after": 60})

    monkeypatch.setattr(Site, "async_start", AsyncMock(side_effect=HomeAssistantError))
    monkeypatch.setattr(Site, "async_save", save)
    entry = await setup_site(hass)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert not applied


@pytest.mark.usefixtures("broker")
async def test_a_platform_that_fails_takes_nothing_else_with_it(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Home Assistant goes on without it; the site can be unloaded and loaded again."""
    entry = await setup_site(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    before = held(hass)
    with monkeypatch.context() as broken:
        broken.setattr(binary_sensor, "async_setup_entry", AsyncMock(side_effect=RuntimeError))
        assert await hass.config_entries.async_setup(entry.entry_id)
    await heartbeat(hass)
    assert connectivity(hass) is None
    assert hass.states.get("sensor.sito_001_devices_known").state == "1"
    caplog.clear()
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert held(hass) == before
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert connectivity(hass) == "on"
