"""Event: what happens on the site, an event for each kind and window of time."""

from __future__ import annotations

from typing import Any, Final

from homeassistant.components.event import EventEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import SiteEntity
from .site.digest import EVENT_KINDS
from .site.site import Site, SiteDevicesConfigEntry

PARALLEL_UPDATES: Final = 0  # nothing is polled


async def async_setup_entry(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give the site its event entity."""
    async_add_entities([SiteEvent(entry.runtime_data)])


class SiteEvent(SiteEntity, EventEntity):
    """The last thing that happened on the site."""

    _attr_translation_key = "events"
    _attr_event_types = [str(kind) for kind in EVENT_KINDS]

    def __init__(self, site: Site) -> None:
        """Attach to the site's own page."""
        super().__init__(site, "events")

    @property
    def available(self) -> bool:
        """Always: an event that comes while the entity becomes available fires no automation."""
        return True

    async def async_added_to_hass(self) -> None:
        """Take the site's events."""
        self.site.digest.sink = self._happened

    async def async_will_remove_from_hass(self) -> None:
        """Take no more."""
        self.site.digest.sink = None

    @callback
    def _happened(self, kind: str, attributes: dict[str, Any]) -> None:
        self._trigger_event(kind, attributes)
        self.async_write_ha_state()
