"""Pages: the device pages of a site in Home Assistant's registry: its own, and those of its devices below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from ..compat import via
from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from ..core.protocol import Category
from .ids import device_identifier, device_path, site_identifier
from .pacing import Guard, Slices


class Pages:
    """Writes the device pages of one site.

    A device that changes what it says is written at once, and then once a minute at most: each write is saved to disk
    and sent to every open browser.
    """

    hears: Final = (ChangeKind.DESCRIBED, ChangeKind.MOVED, ChangeKind.REMOVED, ChangeKind.REPLACED)

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        site_code: str,
        fleet: Fleet,
        *,
        on_muted: Callable[[DeviceRecord, bool], None],
        on_deleted: Callable[[DeviceRecord], None],
    ) -> None:
        """Write nothing yet.

        `on_muted` is called with whether the user has disabled a device, `on_deleted` when its page was deleted, but not
        by us.
        """
        self._hass = hass
        self._registry = dr.async_get(hass)
        self._entry_id = entry_id
        self._site_code = site_code
        self._fleet = fleet
        self._on_muted = on_muted
        self._on_deleted = on_deleted
        self._site: dr.DeviceEntry | None = None
        self._device_ids: dict[DeviceRecord, str] = {}
        self._records: dict[str, DeviceRecord] = {}  # by device id
        self._written: set[DeviceRecord] = set()  # in this minute
        self._changed: set[DeviceRecord] = set()  # in this minute, since they were written
        self._due: set[DeviceRecord] = set()  # to be written now
        self._guard = Guard("make or update a device page")
        self._slices = Slices(hass.loop, self._write_next, self._guard)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Make the site's own page and those of the devices that are known, and follow the user; return what ends that."""
        self._site = self._registry.async_get_or_create(
            config_entry_id=self._entry_id,
            identifiers={site_identifier(self._site_code)},
            name=self._site_code,
            entry_type=dr.DeviceEntryType.SERVICE,
        )
        for record in self._fleet.records.values():
            with self._guard:
                self._fleet.mute(record, self._create(record))  # nobody shows anything yet
        unsubscribe = self._hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._page_changed)

        @callback
        def stop() -> None:
            unsubscribe()
            self._slices.async_stop()  # what is not written yet will be by the next start

        return stop

    @callback
    def async_create(self, record: DeviceRecord) -> None:
        """Make the page of a device that is new; one that was deleted may come back disabled, as it was."""
        self._on_muted(record, self._create(record))

    @callback
    def async_hear(self, change: Change) -> None:
        """Bring the page of a device up to date."""
        record, kind, key = change
        match kind:
            case ChangeKind.DESCRIBED | ChangeKind.MOVED:
                self._describe(record)
            case ChangeKind.REMOVED:
                self._remove(record)
            case ChangeKind.REPLACED if key:
                self._identify(record, key)

    @callback
    def async_minute_over(self) -> None:
        """Write what has changed again since it was written, for no longer than a slice at once."""
        self._due |= self._changed
        self._written, self._changed = self._changed, set()
        self._slices.async_start()

    def device_id(self, record: DeviceRecord) -> str | None:
        """Return the id of a device's page."""
        return self._device_ids.get(record)

    def identity(self, record: DeviceRecord) -> dict[str, Any]:
        """Return what events and answers name a device by."""
        return {"serial": record.serial, "name": self._fleet.name(record), "device_id": self.device_id(record)}

    def record(self, device_id: str) -> DeviceRecord | None:
        """Return the device whose page has an id."""
        return self._records.get(device_id)

    @callback
    def _page_changed(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        device_id = event.data["device_id"]
        record = self._records.get(device_id)
        if event.data["action"] == "remove":
            if self._site and device_id == self._site.id:
                # the reload makes it anew; not at once, since it would unload us before all others have heard of this
                self._hass.loop.call_soon(self._hass.config_entries.async_schedule_reload, self._entry_id)
            elif record:
                self._on_deleted(record)
        elif event.data["action"] == "update" and "disabled_by" in event.data["changes"]:
            device = self._registry.async_get(device_id)
            if record and device:
                self._on_muted(record, device.disabled_by is not None)

    def _describe(self, record: DeviceRecord) -> None:
        """Write now, or at the end of the minute."""
        if record in self._written:
            self._changed.add(record)
        else:
            self._written.add(record)
            with self._guard:
                self._write(record)

    def _remove(self, record: DeviceRecord) -> None:
        """Delete a device's page, unless its deletion is what we heard of, and with it its entities."""
        device_id = self._device_ids.pop(record, None)
        if device_id:
            del self._records[device_id]
            if self._registry.async_get(device_id):
                self._registry.async_remove_device(device_id)

    def _identify(self, record: DeviceRecord, former_key: str) -> None:
        """Let a device's page and entities go on under another serial: their ids, names, areas and history stay."""
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
        """Make a device's page, or bring the one from an earlier run up to date; return whether the user disabled it."""
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
        # one that was discovered in this very moment has no page yet, and gets it as it is then; a deleted one has none,
        # also before we hear of that: what happens while an event is dispatched is told after it
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
