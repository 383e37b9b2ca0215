"""Home Assistant's core with its own MQTT client on a real broker, in the process and the loop at hand.

The core, the registries, storage and MQTT are set up as they are at its start; what has no part in a message (web pages,
recorder, the default integrations) is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from homeassistant import loader
from homeassistant.bootstrap import CORE_INTEGRATIONS, async_load_base_functionality
from homeassistant.components import mqtt
from homeassistant.components.mqtt.config_flow import FlowHandler
from homeassistant.config_entries import SOURCE_USER, ConfigEntries, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN

from .process import FOLDER, LOOPBACK
from .waiting import async_until


async def start_core(folder: Path, port: int, **mqtt_data: Any) -> HomeAssistant:
    """Start Home Assistant in a folder, connected to the broker on a port; further data is that of MQTT's entry."""
    (folder / "configuration.yaml").touch()  # nothing else runs yet
    hass = HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = ConfigEntries(hass, {})
    await loader.async_get_custom_components(hass)
    await async_load_base_functionality(hass)
    for domain in CORE_INTEGRATIONS:
        await async_setup_component(hass, domain, {})
    # MQTT's dependencies, for its own pages only: they would want a port that another Home Assistant may have
    hass.config.components |= {"file_upload", "http"}
    await add_mqtt(hass, port, **mqtt_data)
    await hass.async_start()
    await async_until(lambda: mqtt.is_connected(hass))
    await hass.async_block_till_done()
    return hass


@asynccontextmanager
async def running_core(port: int, **mqtt_data: Any) -> AsyncIterator[HomeAssistant]:
    """Run one for the length of an `async with` block, in a folder of its own."""
    with TemporaryDirectory(prefix=FOLDER, ignore_cleanup_errors=True) as folder:
        hass = await start_core(Path(folder), port, **mqtt_data)
        try:
            yield hass
        finally:
            for entry in hass.config_entries.async_loaded_entries(mqtt.DOMAIN):
                await hass.config_entries.async_unload(entry.entry_id)
                # else it would try to unsubscribe, and log that it can't
                await async_until(lambda: not mqtt.is_connected(hass), poll=0.01)
            await hass.async_stop(force=True)


async def add_mqtt(hass: HomeAssistant, port: int, **data: Any) -> ConfigEntry:
    """Connect Home Assistant to the broker on a port."""
    return await add_entry(
        hass,
        mqtt.DOMAIN,
        {"broker": LOOPBACK, "port": port, "protocol": "5", "discovery": False} | data,
        options={"birth_message": {}},  # its task complains loudly when the broker goes away under it
        version=(FlowHandler.VERSION, FlowHandler.MINOR_VERSION),
    )


async def add_site(hass: HomeAssistant, code: str, options: Mapping[str, Any] | None = None) -> ConfigEntry:
    """Add a site, or set up the one that is known from an earlier run.

    Raises:
        RuntimeError: It could not be set up.

    """
    entry = await add_entry(hass, DOMAIN, {CONF_SITE_CODE: code}, title=code, options=options)
    if entry.state is not ConfigEntryState.LOADED:
        raise RuntimeError(f"{code} could not be set up: {entry.state}")
    await hass.async_block_till_done()
    return entry


async def add_entry(
    hass: HomeAssistant,
    domain: str,
    data: Mapping[str, Any],
    *,
    title: str | None = None,
    options: Mapping[str, Any] | None = None,
    version: tuple[int, int] = (1, 1),
) -> ConfigEntry:
    """Add a config entry, or set up the one that is known from an earlier run; its title is its unique id as well."""
    unique_id = title or domain
    if known := hass.config_entries.async_entry_for_domain_unique_id(domain, unique_id):
        await hass.config_entries.async_setup(known.entry_id)
        return known
    entry = ConfigEntry(
        domain=domain,
        title=unique_id,
        unique_id=unique_id,
        data=data,
        options=options,
        source=SOURCE_USER,
        version=version[0],
        minor_version=version[1],
        discovery_keys=MappingProxyType({}),
        subentries_data=(),
    )
    await hass.config_entries.async_add(entry)
    return entry
