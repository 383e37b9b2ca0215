"""What the tests of a site share: a device that it hears, what that reports, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.site.data_entities import DataEntities

from .. import SITE, advance, entity_state, heartbeat, publish, setup_site

A = "datalogger/TEST123"
TURNS = 30
SITE_ENTITIES = 7  # connectivity, problem, three counts, events, monitoring


async def site_with_device(hass: HomeAssistant, options: dict[str, Any] | None = None) -> MockConfigEntry:
    """Set up a site, and let it hear a device: TEST123 at monstro/1."""
    entry = await setup_site(hass, options=options)
    await heartbeat(hass)
    return entry


async def report(
    hass: HomeAssistant,
    data: dict[str, Any],
    channel: str = "input",
    *,
    address: str = "datalogger/monstro/1",
    serial: str = "TEST123",
    retain: bool = False,
) -> None:
    """Let a device report what it measures or drives."""
    await publish(hass, f"{SITE}/{address}/{channel}", {"serial_number": serial, **data}, retain=retain)
    await settle(hass)


async def settle(hass: HomeAssistant) -> None:
    """Let new entities be made: a few in each turn of the loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


def shown(hass: HomeAssistant, *keys: str, device: str = A, platform: str = "sensor") -> list[str | None]:
    """Return what a device's data entities show, None for those that are not there."""
    states = [entity_state(hass, f"{device}/{key}", platform) for key in keys]
    return [state.state if state else None for state in states]


def entity_id(hass: HomeAssistant, key: str, device: str = A, platform: str = "sensor") -> str:
    found = er.async_get(hass).async_get_entity_id(platform, DOMAIN, f"{SITE}/{device}/{key}")
    assert found
    return found


def data_entities(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Count the registered entities that show data."""
    entries = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    return sum(entry.unique_id.count("/") > 3 for entry in entries)


def room(entry: MockConfigEntry) -> DataEntities:
    data = entry.runtime_data.data
    assert isinstance(data, DataEntities)
    return data


def limit_issue(hass: HomeAssistant, entry: MockConfigEntry) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, f"{entry.entry_id}_data_limit")


async def told(hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory) -> ir.IssueEntry | None:
    """Return the issue once its cause was checked, which is once a second at most."""
    await advance(hass, freezer, 1.1)
    return limit_issue(hass, entry)


async def reload(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


def set_options(hass: HomeAssistant, entry: MockConfigEntry, **options: Any) -> None:
    hass.config_entries.async_update_entry(entry, options={**entry.options, **options})
