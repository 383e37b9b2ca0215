"""Pages: a site's entries in the device registry: its own, and below it one for each device.

In: changes from `site`, new devices from `arrivals`, and edits of the user from the registry. Out: registry writes,
and the changes of devices whose page was disabled or deleted.
"""

from __future__ import annotations

from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from ..compat import via
from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from ..core.protocol import Category
from .ids import device_identifier, device_path, site_identifier
from .pacing import Guard, Slices
from .readers import Dispatch


class Pages:
    """Writes the device pages of one site.

    A device that changes is written at once, and then once a minute at most: Home Assistant saves each write to disk
    and sends it to every open browser.
    """

    handles: Final = (ChangeKind.DESCRIBED, ChangeKind.MOVED, ChangeKind.REMOVED, ChangeKind.REPLACED)

    def __init__(self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet, dispatch: Dispatch) -> None:
        """Write nothing yet; `dispatch` receives the changes of devices whose page was disabled or deleted."""
        self._hass = hass
        self._registry = dr.async_get(hass)
        self._entry_id = entry_id
        self._site_code = site_code
        self._fleet = fleet
        self._dispatch = dispatch
        self._site: dr.DeviceEntry | None = None
        self._device_ids: dict[DeviceRecord, str] = {}
        self._records: dict[str, DeviceRecord] = {}  # by device id
        self._written: set[DeviceRecord] = set()  # in this minute
        self._changed: set[DeviceRecord] = set()  # changed again in this minute
        self._due: set[DeviceRecord] = set()  # to be written now
        self._guard = Guard("create or update a device page")
        self._slices = Slices(hass.loop, self._write_next, self._guard)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Create the pages of the site and of known devices, and listen for edits; return a callable that stops."""
        self._site = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            identifiers={site_identifier(self._site_code)},
            name=self._site_code,
            entry_type=dr.DeviceEntryType.SERVICE,
        )
        for record in self._fleet.records.values():
            with self._guard:
                self._fleet.mute(record, self._create(record))  # no reader needs to know yet
        unsubscribe = self._hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._page_changed)

        @callback
        def stop() -> None:
            unsubscribe()
            self._slices.async_stop()  # what is still due is written at the next start

        return stop

    @callback
    def async_create(self, record: DeviceRecord) -> None:
        """Create the page of a new device; if it was deleted while disabled, it is disabled again."""
        self._dispatch(self._fleet.mute(record, self._create(record)))

    @callback
    def async_forget(self, record: DeviceRecord) -> str:
        """Leave the page of a device to others; return its id, empty if it has none."""
        device_id = self._device_ids.pop(record, "")
        self._records.pop(device_id, None)
        return device_id

    @callback
    def async_handle(self, change: Change) -> None:
        """Update, delete or re-identify the page of a device."""
        record, kind, key = change
        match kind:
            case ChangeKind.DESCRIBED | ChangeKind.MOVED:
                self._describe(record)
            case ChangeKind.REMOVED:
                self._remove(record)
            case _:
                assert key  # of the former device: it was replaced
                self._identify(record, key)

    @callback
    def async_minute_over(self) -> None:
        """Write the pages that changed again since they were written, in slices."""
        self._due |= self._changed
        self._written, self._changed = self._changed, set()
        self._slices.async_start()

    def device_id(self, record: DeviceRecord) -> str | None:
        """Return the id of a device's page."""
        return self._device_ids.get(record)

    def identity(self, record: DeviceRecord) -> dict[str, Any]:
        """Return how events and action responses identify a device."""
        return {"serial": record.serial, "name": self._fleet.name(record), "device_id": self.device_id(record)}

    def record(self, device_id: str) -> DeviceRecord | None:
        """Return the device of a page."""
        return self._records.get(device_id)

    @callback
    def _page_changed(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        device_id = event.data["device_id"]
        record = self._records.get(device_id)
        if event.data["action"] == "remove":
            if self._site and device_id == self._site.id:
                # a reload creates it again; not now, since it would unload us while others still handle this event
                self._hass.loop.call_soon(self._hass.config_entries.async_schedule_reload, self._entry_id)
            elif record:
                self._dispatch(self._fleet.remove(record.key))
        elif event.data["action"] == "update" and "disabled_by" in event.data["changes"]:
            device = self._registry.async_get(device_id)
            if record and device:
                self._dispatch(self._fleet.mute(record, device.disabled_by is not None))

    def _describe(self, record: DeviceRecord) -> None:
        """Write now, or at the end of the minute if that was done already."""
        if record in self._written:
            self._changed.add(record)
        else:
            self._written.add(record)
            with self._guard:
                self._write(record)

    def _remove(self, record: DeviceRecord) -> None:
        """Delete a device's page, if it is still there, and with it its entities."""
        device_id = self.async_forget(record)
        if self._registry.async_get(device_id):
            self._registry.async_remove_device(device_id)

    def _identify(self, record: DeviceRecord, former_key: str) -> None:
        """Give a device's page and entities the ids of its new serial; names, areas and history stay."""
        self._registry.async_update_device(
            self._device_ids[record],
            new_identifiers={device_identifier(self._site_code, record)},
            serial_number=record.serial,
            **self._description(record),
        )
        entities = er.async_get(self._hass)
        former, path = (device_path(self._site_code, key) for key in (former_key, record.key))
        for entry in er.async_entries_for_device(entities, self._device_ids[record], include_disabled_entities=True):
            if entry.unique_id.startswith(f"{former}/"):
                entities.async_update_entity(entry.entity_id, new_unique_id=path + entry.unique_id[len(former) :])

    def _create(self, record: DeviceRecord) -> bool:
        """Create or update a device's page; return whether the user has disabled it."""
        assert self._site
        device = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            identifiers={device_identifier(self._site_code, record)},
            serial_number=record.serial,
            **via(self._site),
            **self._description(record),
        )
        self._device_ids[record] = device.id
        self._records[device.id] = record
        return device.disabled_by is not None

    def _write_next(self) -> bool:
        if not self._due:
            return False
        self._write(self._due.pop())
        return True

    def _write(self, record: DeviceRecord) -> None:
        # a new device has no page until `arrivals` creates it; a deleted page may be gone before we are notified
        device_id = self._device_ids.get(record)
        if device_id and self._registry.async_get(device_id):
            self._registry.async_update_device(device_id, **self._description(record))

    def _description(self, record: DeviceRecord) -> dict[str, Any]:
        info = record.info
        gateway = record.category is Category.GATEWAY
        return {
            "name": self._fleet.name(record),
            "manufacturer": info.manufacturer,
            "model": info.model or ("Gateway" if gateway else record.address.partition("/")[0]),
            "sw_version": info.sw_version,
            "hw_version": info.hw_version,
        }
