"""Entity: base classes of our entities. In: notifications, and values for data entities. Out: states."""

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
    """Base of all our entities."""

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
        """Attach to the site's page; `key` tells its entities apart."""
        self.site = site
        self._attr_unique_id = f"{site.code}/{key}"
        self._attr_device_info = DeviceInfo(identifiers={site_identifier(site.code)})

    async def async_added_to_hass(self) -> None:
        """Subscribe to the site's changes."""
        self.async_on_remove(self.site.listeners.async_add_site(self.async_write_ha_state))


class DeviceEntity(_SiteDevicesEntity):
    """An entity on a device's page."""

    def __init__(self, site: Site, record: DeviceRecord, key: str) -> None:
        """Attach to the device's page; `key` tells its entities apart."""
        self.site = site
        self.record = record
        self.key = key
        self.identify()

    def identify(self) -> None:
        """Set the unique id from the record, whose serial changes when the device is replaced."""
        self._attr_unique_id = entity_unique_id(self.site.code, self.record, self.key)

    @property
    def device_info(self) -> DeviceInfo:
        """Return the page; created on demand to save memory."""
        return DeviceInfo(identifiers={device_identifier(self.site.code, self.record)})

    async def async_added_to_hass(self) -> None:
        """Subscribe to the device's changes."""
        self.site.listeners.async_add(self)

    async def async_will_remove_from_hass(self) -> None:
        """Unsubscribe."""
        self.site.listeners.async_remove(self)


class DataEntity(DeviceEntity):
    """One value that a device reports.

    It holds the value itself, and Home Assistant restores it after a restart.
    """

    _restored = False

    def __init__(self, site: Site, record: DeviceRecord, key: str) -> None:
        """Set the name from the path."""
        super().__init__(site, record, key)
        if is_output(key):
            self._attr_translation_key = "output"
            self._attr_translation_placeholders = {"name": words(key)}
        else:
            self._attr_name = words(key)

    @property
    def point(self) -> DataPoint:
        """The data point that is shown."""
        return self.record.data[self.key]

    @property
    def available(self) -> bool:
        """Unavailable while the device is not online. Monitoring makes no difference."""
        return self.record.online is True and not self.site.subscription.lost

    @abstractmethod
    def take(self, leaf: Leaf) -> bool:
        """Set the value; return whether it changed."""

    @callback
    def follow_unit(self) -> None:
        """Update the unit, if the entity has one: that of the data point has changed."""

    @callback
    def async_write(self) -> None:
        """Write the state, unless the entity is unavailable anyway."""
        if self.available:
            self.async_write_ha_state()

    async def async_added_to_hass(self) -> None:
        """Restore the last value and subscribe to new ones."""
        await super().async_added_to_hass()
        if not self._restored:  # when the user changes its id it is added again, and its value is newer
            self._restored = True
            await self._restore()
        self.async_on_remove(self.site.data.async_attach(self))

    async def async_removed_from_registry(self) -> None:
        """Note that the user has removed the entity."""
        self.site.data.async_removed(self.record, self.key)

    @abstractmethod
    async def _restore(self) -> None:
        """Restore the last value, if it still fits."""
