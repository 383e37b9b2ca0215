"""site_devices: the dataloggers and gateways of a site, from their heartbeats over MQTT to their device pages.

Home Assistant calls this module to set up, unload and remove a config entry. Each loaded entry has a `Site` as its
runtime data.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady, HomeAssistantError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.entity_platform import async_get_platforms
from homeassistant.helpers.typing import ConfigType

from . import services
from .const import DOMAIN
from .site.ids import site_identifier
from .site.issues import async_delete_issues
from .site.site import Site, SiteDevicesConfigEntry
from .site.storage import async_remove_store
from .site.subscription import mqtt_is_loaded

PLATFORMS: Final = (Platform.BINARY_SENSOR, Platform.EVENT, Platform.SENSOR, Platform.SWITCH)

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Register the actions, once for all sites."""
    services.async_register(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> bool:
    """Set up a site: restore it, add its entities, then subscribe. A failure undoes all of it.

    Raises:
        ConfigEntryNotReady: MQTT is not loaded, or the store file can't be read.

    """
    if not mqtt_is_loaded(hass):
        raise _mqtt_not_loaded()
    entry.runtime_data = site = Site(hass, entry)
    end_updates = entry.add_update_listener(_async_entry_updated)
    async with AsyncExitStack() as undo:
        undo.callback(delattr, entry, "runtime_data")
        # not `async_on_unload` yet: the oldest Home Assistant calls that only after some failures
        undo.callback(end_updates)
        undo.push_async_callback(site.async_stop)
        await site.async_load()
        undo.push_async_callback(async_unload_entry, hass, entry)
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        try:
            await site.async_start()
        except HomeAssistantError as err:
            raise _mqtt_not_loaded() from err
        undo.pop_all()
    entry.async_on_unload(end_updates)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> bool:
    """Unload a site: stop it, remove its entities, save."""
    site = entry.runtime_data
    # before the platforms, which are unloaded one by one: new entities would be added to those already gone
    await site.async_stop()
    # after a failed setup some are missing; the oldest Home Assistant also lists those of earlier loads
    platforms = {each.domain for each in async_get_platforms(hass, DOMAIN) if each.config_entry is entry}
    unloaded = await hass.config_entries.async_unload_platforms(entry, platforms)
    # last: until here the user could still turn the switch
    await site.async_save()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> None:
    """Delete the issues and the store file of a site."""
    async_delete_issues(hass, entry.entry_id)
    await async_remove_store(hass, entry.entry_id)


async def async_remove_config_entry_device(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, device: DeviceEntry
) -> bool:
    """Delete a device for the user, unless it is online.

    Raises:
        HomeAssistantError: It is online, it is the site's own page, or the site is not loaded.

    """
    if entry.state is not ConfigEntryState.LOADED:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="site_not_loaded", translation_placeholders={"site": entry.title}
        )
    site = entry.runtime_data
    record = site.pages.record(device.id)
    if record is None and site_identifier(site.code) in device.identifiers:
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="site_not_removable")
    if record is None:
        return True
    if record.online:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="online_not_removable",
            translation_placeholders={"device": str(record)},
        )
    site.pages.async_forget(record)  # Home Assistant deletes it, unless other integrations share it
    site.async_remove(record)
    return True


async def _async_entry_updated(_hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> None:
    site = entry.runtime_data
    if not site.closed:  # it may be unloading
        site.async_apply_options()


def _mqtt_not_loaded() -> ConfigEntryNotReady:
    return ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="mqtt_not_loaded")
