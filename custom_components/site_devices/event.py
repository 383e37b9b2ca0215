"""Event: the event entity of a site. In: events from `digest`. Out: states."""

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
    """Add the site's event entity."""
    async_add_entities([SiteEvent(entry.runtime_data)])


class SiteEvent(SiteEntity, EventEntity):
    """The last event on the site."""

    _attr_translation_key = "events"
    _attr_event_types = [str(kind) for kind in EVENT_KINDS]

    def __init__(self, site: Site) -> None:
        """Attach to the site's own page."""
        super().__init__(site, "events")

    @property
    def available(self) -> bool:
        """Always available: an event with which the entity becomes available would trigger no automation."""
        return True

    async def async_added_to_hass(self) -> None:
        """Receive the site's events."""
        self.site.digest.sink = self._send_event

    async def async_will_remove_from_hass(self) -> None:
        """Stop receiving them."""
        self.site.digest.sink = None

    @callback
    def _send_event(self, kind: str, attributes: dict[str, Any]) -> None:
        self._trigger_event(kind, attributes)
        self.async_write_ha_state()
