"""Switch: monitoring, off for planned work. In: the user's command. Out: a call to `Site`, which keeps the position."""

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
    """Add the site's switch."""
    async_add_entities([MonitoringSwitch(entry.runtime_data)])


class MonitoringSwitch(SiteEntity, SwitchEntity):
    """While off, no device is called offline, none is discovered and no event is sent; data is still shown."""

    _attr_translation_key = "monitoring"

    def __init__(self, site: Site) -> None:
        """Attach to the site's own page."""
        super().__init__(site, "monitoring")

    @property
    def available(self) -> bool:
        """Always available: it makes the others available again."""
        return True

    @property
    def is_on(self) -> bool:
        """Return whether the site is monitored."""
        return self.site.monitoring

    async def async_turn_on(self, **_kwargs: Any) -> None:
        """Resume monitoring; pending events are sent."""
        self.site.async_set_monitoring(True)

    async def async_turn_off(self, **_kwargs: Any) -> None:
        """Pause monitoring."""
        self.site.async_set_monitoring(False)
