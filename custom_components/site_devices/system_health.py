"""System health: totals for Home Assistant's system information. In: all loaded sites. Out: one card."""

from __future__ import annotations

from collections import Counter
import time
from typing import Any

from homeassistant.components import mqtt
from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .core.protocol import IgnoreReason
from .site.site import SiteDevicesConfigEntry
from .site.subscription import mqtt_is_loaded


@callback
def async_register(_hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register the card."""
    register.async_register_info(_info)


async def _info(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[SiteDevicesConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    sites = [entry.runtime_data for entry in entries]
    ignored: Counter[IgnoreReason] = sum((site.log.ignored for site in sites), Counter())
    heard = max(filter(None, (site.fleet.last_heartbeat() for site in sites)), default=None)
    counts = [site.fleet.counts() for site in sites]
    return {
        "sites": len(hass.config_entries.async_entries(DOMAIN)),
        "sites_loaded": len(sites),
        "devices_known": sum(count.known for count in counts),
        "devices_online": sum(count.online for count in counts),
        "messages_ignored": ", ".join(f"{reason} {count}" for reason, count in sorted(ignored.items())) or "0",
        "last_heartbeat": "–" if heard is None else round(time.time() - heard),
        "mqtt_connected": mqtt_is_loaded(hass) and mqtt.is_connected(hass),
    }
