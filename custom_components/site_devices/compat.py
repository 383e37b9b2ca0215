"""Compat: the few places where the oldest and the newest supported Home Assistant differ."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowHandler
from homeassistant.helpers import service
from homeassistant.helpers.device_registry import DeviceEntry, DeviceInfo

_service: ModuleType = service  # what mypy knows of it is the newest end's
_target: ModuleType | None
try:
    from homeassistant.helpers import target

    _target = target
except ImportError:
    _target = None


def update_progress(flow: FlowHandler[Any, Any, Any], fraction: float) -> None:
    """Move the bar of a flow's progress page; at first there was only a spinner."""
    if update := getattr(flow, "async_update_progress", None):
        update(fraction)


def via(parent: DeviceEntry) -> dict[str, Any]:
    """Return what hangs a device below another when it is registered."""
    if "via_device_id" in DeviceInfo.__annotations__:
        return {"via_device_id": parent.id}
    return {"via_device": next(iter(parent.identifiers))}


def targeted_devices(hass: HomeAssistant, call: ServiceCall) -> set[str]:
    """Return the ids of the devices that an action's target names, also by area, floor or label."""
    if _target is None:
        return set(_service.async_extract_referenced_entity_ids(hass, call).referenced_devices)
    return set(_target.async_extract_referenced_entity_ids(hass, _target.TargetSelection(call.data)).referenced_devices)
