"""Services: the actions for automations and scripts.

In: calls with a target or a config entry. Out: calls to `Site`, and a response with what was done, or an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
import logging
import time
from typing import Final

from homeassistant.auth.models import User
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import config_validation as cv, device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
import voluptuous as vol

from .compat import target_of
from .const import CONF_SITE_CODE, DOMAIN
from .core.device import DeviceRecord
from .site.ids import CONNECTIVITY_KEY, entity_unique_id, site_identifier
from .site.options import OFFLINE_AFTER
from .site.pacing import in_slices
from .site.site import Site, SiteDevicesConfigEntry

type _Targeted = dict[SiteDevicesConfigEntry, list[DeviceRecord]]

_LOGGER = logging.getLogger(__name__)

SET_DEADLINE: Final = "set_deadline"
REMOVE_OFFLINE: Final = "remove_offline"
# An earlier time is from a clock that was not set, as on a board without a battery before it has a network.
_CLOCK_SET: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_SET_DEADLINE_SCHEMA: Final = vol.Schema({**cv.ENTITY_SERVICE_FIELDS, vol.Required("seconds"): vol.Coerce(float)})
_REMOVE_OFFLINE_SCHEMA: Final = vol.Schema(
    {
        vol.Required("config_entry_id"): cv.string,
        vol.Required("offline_for"): cv.positive_time_period,
        vol.Optional("dry_run", default=False): cv.boolean,
    }
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the actions, also while no site is loaded: their errors explain why."""
    hass.services.async_register(DOMAIN, SET_DEADLINE, _set_deadline, _SET_DEADLINE_SCHEMA, SupportsResponse.OPTIONAL)
    hass.services.async_register(
        DOMAIN, REMOVE_OFFLINE, _remove_offline, _REMOVE_OFFLINE_SCHEMA, SupportsResponse.OPTIONAL
    )


async def _set_deadline(call: ServiceCall) -> ServiceResponse:
    """Set the devices' own deadline, or the site's again.

    Raises:
        ServiceValidationError: The deadline or the target is invalid.
        Unauthorized: The user may not control all of the target.

    """
    user = await _user_of(call)
    seconds: float = call.data["seconds"]
    least, most = OFFLINE_AFTER
    if seconds and not (least <= seconds <= most):
        raise _error("deadline_out_of_range", seconds=f"{seconds:g}", least=str(least), most=str(most))
    targeted = _targeted_devices(call)
    if user and not user.is_admin:
        await _check_control(call, user, targeted)
    # after an await a site may have been unloaded, or a device deleted
    devices = [
        (site, [known for record in records if (known := site.fleet.records.get(record.key))])
        for site, records in [(_loaded_site(entry), records) for entry, records in targeted.items()]
    ]
    for site, records in devices:
        site.async_set_offline_after(records, int(seconds) or None)
    answers: list[JsonValueType] = [
        {**site.pages.identity(record), "deadline": site.fleet.deadlines.timeout(record)}
        for site, records in devices
        for record in records
    ]
    return {"devices": answers}


async def _remove_offline(call: ServiceCall) -> ServiceResponse:
    """Delete the devices that have been offline for long.

    Raises:
        ServiceValidationError: There is no such site, or it can't be heard now.
        Unauthorized: The user is no administrator.

    """
    user = await _user_of(call)
    if user and not user.is_admin:
        raise Unauthorized(context=call.context)
    entry: SiteDevicesConfigEntry | None = call.hass.config_entries.async_get_entry(call.data["config_entry_id"])
    if entry is None or entry.domain != DOMAIN:
        raise _error("site_not_found", entry=call.data["config_entry_id"])
    site = _loaded_site(entry)
    if not (site.monitoring and site.subscription.listening):
        raise _error("site_not_heard", site=entry.title)
    offline_for: timedelta = call.data["offline_for"]

    def is_found(record: DeviceRecord) -> bool:
        silent_for = silence(record, now=call.hass.loop.time(), wall=time.time())
        return not record.online and silent_for > offline_for.total_seconds()

    found = [record for record in site.fleet.records.values() if is_found(record)]
    answers: list[JsonValueType] = []
    async for record in in_slices(found):
        if not is_found(record) or site.fleet.records.get(record.key) is not record:
            continue  # it came back or was deleted meanwhile
        if site.closed:
            raise _error("site_not_loaded", site=entry.title)
        heard = record.last_heartbeat
        answers.append(
            {
                **site.pages.identity(record),
                "last_heartbeat": None if heard is None else dt_util.utc_from_timestamp(heard).isoformat(),
            }
        )
        if not call.data["dry_run"]:
            site.async_remove(record)
    if answers and not call.data["dry_run"]:
        _LOGGER.info(
            "%s: deleted %d devices that were offline for longer than %s", site.code, len(answers), offline_for
        )
    return {"count": len(answers), "devices": answers}


async def _user_of(call: ServiceCall) -> User | None:
    """Return the user of a call, None for an automation, which may do everything.

    Raises:
        UnknownUser: The user does not exist.

    """
    if not call.context.user_id:
        return None
    user = await call.hass.auth.async_get_user(call.context.user_id)
    if user is None:
        raise UnknownUser(context=call.context)
    return user


async def _check_control(call: ServiceCall, user: User, targeted: _Targeted) -> None:
    """Check that a user may control the connectivity of every device.

    Raises:
        Unauthorized: They may not control one of them, or it has no connectivity sensor.

    """
    entities = er.async_get(call.hass)
    devices = ((entry, record) for entry, records in targeted.items() for record in records)
    async for entry, record in in_slices(devices):
        unique_id = entity_unique_id(entry.data[CONF_SITE_CODE], record, CONNECTIVITY_KEY)
        entity_id = entities.async_get_entity_id(Platform.BINARY_SENSOR, DOMAIN, unique_id)
        if entity_id is None or not user.permissions.check_entity(entity_id, POLICY_CONTROL):
            raise Unauthorized(context=call.context, entity_id=entity_id, permission=POLICY_CONTROL)


def silence(record: DeviceRecord, *, now: float, wall: float) -> float:
    """Return for how many seconds an offline device has been silent at least.

    The lesser of two counts: the wall clock may have jumped, and the monotonic one begins with this run.
    """
    silences = []
    if record.heard > 0:  # it was heard, or its silence counts, in this run
        silences.append(now - record.heard)
    stamp = record.last_heartbeat or record.created
    if stamp >= _CLOCK_SET:
        silences.append(wall - stamp)
    return min(silences, default=0.0)


def _targeted_devices(call: ServiceCall) -> _Targeted:
    """Return the targeted devices, by site.

    A device or entity that is named must be one of ours. An area, floor or label may contain others, and devices of a
    site that the user has disabled: those are skipped.
    """
    hass = call.hass
    target = target_of(hass, call)
    entities = er.async_get(hass)
    named = target.devices.intersection(call.data.get("device_id", ()))
    for entity_id in target.entities:
        entity = entities.async_get(entity_id)
        if entity is None or entity.device_id is None:
            raise _error("not_a_site_device", device=entity_id)
        named.add(entity.device_id)
    found = dict(_named_device(hass, device_id) for device_id in named)
    for device_id in (target.devices | _devices_connected_by(entities, target.further_entities)) - named:
        device = dr.async_get(hass).async_get(device_id)
        entry = _entry_of(hass, device.identifiers) if device else None
        if entry and not entry.disabled_by:
            if record := _loaded_site(entry).pages.record(device_id):
                found[record] = entry
    if not found:
        raise _error("no_device_targeted")
    devices: _Targeted = {}
    for record, entry in sorted(found.items(), key=lambda item: (item[1].data[CONF_SITE_CODE], item[0].key)):
        devices.setdefault(entry, []).append(record)
    return devices


def _devices_connected_by(registry: er.EntityRegistry, entity_ids: Iterable[str]) -> set[str]:
    """Return the devices of connectivity sensors: an area or label of the sensor counts for its device."""
    entities = map(registry.async_get, entity_ids)
    return {
        entity.device_id
        for entity in entities
        if entity and entity.device_id and entity.original_device_class == BinarySensorDeviceClass.CONNECTIVITY
    }


def _named_device(hass: HomeAssistant, device_id: str) -> tuple[DeviceRecord, SiteDevicesConfigEntry]:
    device = dr.async_get(hass).async_get(device_id)
    name = (device and (device.name_by_user or device.name)) or device_id
    if device and (entry := _entry_of(hass, device.identifiers)):
        site = _loaded_site(entry)
        if record := site.pages.record(device_id):
            return record, entry
        if site_identifier(site.code) in device.identifiers:
            raise _error("site_device_targeted", site=name)
    raise _error("not_a_site_device", device=name)


def _entry_of(hass: HomeAssistant, identifiers: Iterable[tuple[str, str]]) -> SiteDevicesConfigEntry | None:
    """Return the site of a device page, if it is one of ours."""
    for domain, path, *_ in identifiers:  # some integrations use more than two parts
        if domain == DOMAIN:
            return hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, path.partition("/")[0])
    return None


def _loaded_site(entry: SiteDevicesConfigEntry) -> Site:
    if entry.state is not ConfigEntryState.LOADED:
        raise _error("site_not_loaded", site=entry.title)
    return entry.runtime_data


def _error(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders)
