"""Switch: monitoring, off for planned work."""

from __future__ import annotations

from typing import Any, Final

from homeassistant.components.switch import SwitchEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .entity import SiteEntity
from .site.site import Site, SiteDevicesConfigEntry

PARALLEL_UPDATES: Final = 0  # nothing is polled


async def async_setup_entry(
    _hass: HomeAssistant, entry: SiteDevicesConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Give the site its switch."""
    async_add_entities([MonitoringSwitch(entry.runtime_data)])


class MonitoringSwitch(SiteEntity, SwitchEntity):
    """Off: nobody is called offline, created or told of; what known devices report goes on."""

    _attr_translation_key = "monitoring"

    def __init__(self, site: Site) -> None:
        """Attach to the site's own page."""
        super().__init__(site, "monitoring")

    @property
    def available(self) -> bool:
        """Always: it is what makes the others available again."""
        return True

    @property
    def is_on(self) -> bool:
        """Tell whether the site is monitored."""
        return self.site.monitoring

    async def async_turn_on(self, **_kwargs: Any) -> None:
        """Monitor again: what has changed meanwhile is told."""
        self.site.async_set_monitoring(True)

    async def async_turn_off(self, **_kwargs: Any) -> None:
        """Judge, discover and tell nothing until it is switched on."""
        self.site.async_set_monitoring(False)
