"""Compat: called where the oldest and newest Home Assistant differ, or have no public API. Out: what both accept."""

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

_VIA_DEVICE_ID_SINCE: Final = (2026, 8)  # which deprecates `via_device`; before that, the argument is unknown

_service: ModuleType = service  # untyped: mypy sees only the newest Home Assistant
_target: ModuleType | None
try:
    from homeassistant.helpers import target

    _target = target
except ImportError:
    _target = None


def update_progress(flow: FlowHandler[Any, Any, Any], fraction: float) -> None:
    """Move the progress bar of a flow; the oldest Home Assistant has only a spinner."""
    if update := getattr(flow, "async_update_progress", None):
        update(fraction)


def via(parent: DeviceEntry) -> dict[str, Any]:
    """Return the arguments that register a device below its parent."""
    if (MAJOR_VERSION, MINOR_VERSION) >= _VIA_DEVICE_ID_SINCE:
        return {"via_device_id": parent.id}
    return {"via_device": next(iter(parent.identifiers))}


class Target(NamedTuple):
    """The ids of an action's target, those in its areas, floors and labels included."""

    devices: set[str]
    entities: set[str]
    further_entities: set[str]  # found through a device, area, floor or label


def target_of(hass: HomeAssistant, call: ServiceCall) -> Target:
    """Return the devices and entities that an action targets."""
    if _target is None:
        selected = _service.async_extract_referenced_entity_ids(hass, call)
    else:
        # the latter is its first name
        selection = getattr(_target, "TargetSelection", None) or _target.TargetSelectorData
        selected = _target.async_extract_referenced_entity_ids(hass, selection(call.data))
    return Target(selected.referenced_devices, selected.referenced, selected.indirectly_referenced)


def was_removed(registry: EntityRegistry, platform: str, unique_id: str) -> bool:
    """Return whether an entity of ours was removed; Home Assistant remembers that for 30 days.

    A missing registration alone does not prove it: the registry may not have been saved before a crash, or may come
    from an older backup. If this attribute disappears, entities removed while the site was not loaded come back.
    """
    return (platform, DOMAIN, unique_id) in getattr(registry, "deleted_entities", ())
