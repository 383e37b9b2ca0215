"""Entity: what entities share. They read the record, or the site, and write their state on its changes; only data has values."""

from __future__ import annotations

from abc import abstractmethod

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity

from .core.device import DeviceRecord
from .core.readings import DataPoint, Leaf, is_output, words
from .site.ids import device_identifier, entity_unique_id, site_identifier
from .site.site import Site


class _SiteDevicesEntity(Entity):
    """Any of our entities."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    site: Site

    @property
    def available(self) -> bool:
        """Unavailable while the broker is. An offline device stays available: silence is its state."""
        return self.site.available


class SiteEntity(_SiteDevicesEntity):
    """An entity on the site's own page."""

    def __init__(self, site: Site, key: str) -> None:
        """Attach to the page that the site has made; `key` tells its entities apart."""
        self.site = site
        self._attr_unique_id = f"{site.code}/{key}"
        self._attr_device_info = DeviceInfo(identifiers={site_identifier(site.code)})

    async def async_added_to_hass(self) -> None:
        """Hear of the site's changes for as long as the entity is there."""
        self.async_on_remove(self.site.listeners.async_add_site(self.async_write_ha_state))


class DeviceEntity(_SiteDevicesEntity):
    """An entity on a device's page."""

    def __init__(self, site: Site, record: DeviceRecord, key: str) -> None:
        """Attach to the page that the site has made; `key` tells the device's entities apart."""
        self.site = site
        self.record = record
        self.key = key
        self.identify()

    def identify(self) -> None:
        """Take the id of the record, which changes when other hardware goes on as this device."""
        self._attr_unique_id = entity_unique_id(self.site.code, self.record, self.key)

    @property
    def device_info(self) -> DeviceInfo:
        """Name the page; made when it is asked for, since thousands of entities would hold it for nothing."""
        return DeviceInfo(identifiers={device_identifier(self.site.code, self.record)})

    async def async_added_to_hass(self) -> None:
        """Hear of the device's changes for as long as the entity is there."""
        self.site.listeners.async_add(self)

    async def async_will_remove_from_hass(self) -> None:
        """Hear of them no more."""
        self.site.listeners.async_remove(self)


class DataEntity(DeviceEntity):
    """One value that a device reports.

    It holds the value itself, so that Home Assistant's own restoring brings it back after a restart.
    """

    _restored = False

    def __init__(self, site: Site, record: DeviceRecord, key: str) -> None:
        """Be named by the path in words."""
        super().__init__(site, record, key)
        if is_output(key):
            self._attr_translation_key = "output"
            self._attr_translation_placeholders = {"name": words(key)}
        else:
            self._attr_name = words(key)

    @property
    def point(self) -> DataPoint:
        """What is known of the value apart from itself."""
        return self.record.data[self.key]

    @property
    def available(self) -> bool:
        """The value of a silent device is not known. One that is not monitored goes on."""
        return self.record.online is True and not self.site.subscription.lost

    @abstractmethod
    def take(self, leaf: Leaf) -> bool:
        """Take the newest value; return whether there is something new to show."""

    @callback
    def follow_unit(self) -> None:
        """Take the unit of the data point, which has changed: for entities that show one."""

    @callback
    def async_write(self) -> None:
        """Show the value, if it is known: an unavailable entity has nothing new to show."""
        if self.available:
            self.async_write_ha_state()

    async def async_added_to_hass(self) -> None:
        """Take the last value of an earlier run, and then what comes."""
        await super().async_added_to_hass()
        if not self._restored:  # an entity is added anew when the user changes its id, and what it has is newer then
            self._restored = True
            await self._restore()
        self.async_on_remove(self.site.data.async_attach(self))

    async def async_removed_from_registry(self) -> None:
        """Stay away when the user has removed the entity."""
        self.site.data.async_removed(self.record, self.key)

    @abstractmethod
    async def _restore(self) -> None:
        """Take the last value of an earlier run, if it still fits."""
