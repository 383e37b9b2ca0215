"""Entity: what all entities of a device share. They hold no state: they read the record and hear of its changes."""

from __future__ import annotations

from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription

from .fleet import DeviceRecord
from .ids import device_identifier, entity_unique_id
from .site import Site


class DeviceEntity(Entity):
    """An entity on a device's page."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, site: Site, record: DeviceRecord, description: EntityDescription) -> None:
        """Attach to the page that the site has made."""
        self.entity_description = description
        self.site = site
        self.record = record
        self._attr_unique_id = entity_unique_id(site.code, record, description.key)
        self._attr_device_info = DeviceInfo(identifiers={device_identifier(site.code, record)})

    @property
    def available(self) -> bool:
        """A silent device is known to be silent; only where nothing can be heard nothing is known."""
        return self.site.available

    async def async_added_to_hass(self) -> None:
        """Hear of the device's changes for as long as the entity is there."""
        self.async_on_remove(self.site.async_add_listener(self.record, self.async_write_ha_state))
