"""Compat: the few places where the oldest and the newest supported Home Assistant differ, or where there is no public way."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final, NamedTuple

from homeassistant.const import MAJOR_VERSION, MINOR_VERSION
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowHandler
from homeassistant.helpers import service
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.entity_registry import EntityRegistry

from .const import DOMAIN

_VIA_DEVICE_ID_SINCE: Final = (2026, 8)  # which also deprecates `via_device`; before, it is an unknown argument

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
    if (MAJOR_VERSION, MINOR_VERSION) >= _VIA_DEVICE_ID_SINCE:
        return {"via_device_id": parent.id}
    return {"via_device": next(iter(parent.identifiers))}


class Target(NamedTuple):
    """What an action is for: ids of devices, also of those in its areas, floors and labels; and the same of entities."""

    devices: set[str]
    entities: set[str]
    further_entities: set[str]  # those that are not named themselves


def target_of(hass: HomeAssistant, call: ServiceCall) -> Target:
    """Return what an action's target names."""
    if _target is None:
        selected = _service.async_extract_referenced_entity_ids(hass, call)
    else:
        # at first it was called by the latter name
        selection = getattr(_target, "TargetSelection", None) or _target.TargetSelectorData
        selected = _target.async_extract_referenced_entity_ids(hass, selection(call.data))
    return Target(selected.referenced_devices, selected.referenced, selected.indirectly_referenced)


def was_removed(registry: EntityRegistry, platform: str, unique_id: str) -> bool:
    """Tell whether an entity of ours was removed, of which Home Assistant keeps what it was for 30 days.

    That an entity is not registered is not enough: a crash may have lost it before the registry was saved, and the registry
    may be of an older backup. Should this attribute go, what the user removed while the site was not loaded comes back.
    """
    return (platform, DOMAIN, unique_id) in getattr(registry, "deleted_entities", ())
