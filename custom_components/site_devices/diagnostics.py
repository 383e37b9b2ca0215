"""Diagnostics: why a device is online, or not. In: a loaded `Site`. Out: a download without serial numbers."""

from __future__ import annotations

from dataclasses import asdict
import time
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.util import dt as dt_util

from .core.device import DeviceRecord
from .core.protocol import clock_drift
from .core.redaction import Redaction
from .site.budget import count_enabled
from .site.options import SiteOptions
from .site.pacing import in_slices
from .site.site import Site, SiteDevicesConfigEntry


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> dict[str, Any]:
    """Return the diagnostics of a site and all its devices."""
    if entry.state is not ConfigEntryState.LOADED:
        return _unloaded(entry)
    site = entry.runtime_data
    redaction = Redaction(site.fleet.records.values())
    devices = [_device(hass, site, record, redaction) async for record in in_slices(redaction.records)]
    return {**_site(hass, entry, site, redaction), "devices": devices}


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: SiteDevicesConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return the diagnostics of a site and one of its devices."""
    if entry.state is not ConfigEntryState.LOADED:
        return _unloaded(entry)
    site = entry.runtime_data
    redaction = Redaction(site.fleet.records.values())
    record = site.pages.record(device.id)  # None for the site's own page, or that of a device no longer known
    devices = [_device(hass, site, record, redaction)] if record else []
    return {**_site(hass, entry, site, redaction), "devices": devices}


def _unloaded(entry: SiteDevicesConfigEntry) -> dict[str, Any]:
    """Return what is certain to contain no serial."""
    return {"state": entry.state, "options": asdict(SiteOptions.of(entry))}


@callback
def _site(hass: HomeAssistant, entry: SiteDevicesConfigEntry, site: Site, redaction: Redaction) -> dict[str, Any]:
    """Return the part about the site, which may have been unloaded meanwhile."""
    fleet, subscription = site.fleet, site.subscription
    heard = fleet.last_heartbeat()
    return {
        "state": entry.state,
        "title": redaction.text(entry.title),
        "site_code": redaction.text(site.code),
        "options": asdict(SiteOptions.of(entry)),
        "monitoring": site.monitoring,
        "mqtt": {
            "connected": subscription.connected,
            "listening": subscription.listening,
            "lost": subscription.lost,
            "echo": site.watch.link.works,  # without it, a frozen broker looks like a silent site
        },
        "messages": {
            "received": site.watch.messages,
            "ignored": dict(sorted(site.log.ignored.items())),
            "seconds_since_last_heartbeat": None if heard is None else round(time.time() - heard, 1),
        },
        "counts": {
            **fleet.counts()._asdict(),
            "muted": sum(record.muted for record in fleet.records.values()),
            "conflicts": len(fleet.conflicts()),
            "deleted_and_remembered": len(fleet.deleted),
            "enabled_entities": count_enabled(er.async_get(hass), entry.entry_id),
        },
    }


@callback
def _device(hass: HomeAssistant, site: Site, record: DeviceRecord, redaction: Redaction) -> dict[str, Any]:
    fleet = site.fleet
    drift = None if record.last_heartbeat is None else clock_drift(record.timestamp, record.last_heartbeat)
    left = fleet.deadlines.due(record) - hass.loop.time() if record.online and not fleet.paused else None
    return {
        "serial": redaction.serial(record),
        "category": record.category,
        "address": redaction.text(record.address),
        "name": redaction.text(fleet.name(record)),
        "online": record.online,
        "muted": record.muted,
        "created": _moment(record.created),
        "last_heartbeat": _moment(record.last_heartbeat),
        "last_communication": _moment(record.last_communication),
        "deadline": {
            "own": record.offline_after,
            "effective": fleet.deadlines.timeout(record),
            "seconds_left": None if left is None else round(left, 1),
        },
        "clock_drift": None if drift is None else round(drift, 1),
        "info": {
            name: redaction.info(text)
            for name, text in record.info._asdict().items()
            if text is not None and name != "name"
        },
        "conflict_addresses": sorted(redaction.text(address) for address in record.rivals or ()),
        "data": [
            {
                "key": redaction.key(key),
                "kind": point.kind,
                "unit": None if point.unit is None else redaction.unit(point.unit),
                "removed": point.removed,
            }
            for key, point in sorted(record.data.items())
        ],
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else dt_util.utc_from_timestamp(seconds).isoformat()
