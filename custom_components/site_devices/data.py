"""Data: what devices report goes to their data entities; a data point seen for the first time gets one.

A message comes from `site`, is taken apart by `readings`, and each leaf goes to its entity, which is written when that
changed it. With a `data_interval` an entity is written at most once in it, and one timer serves all that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .arrivals import Arrival
from .const import DOMAIN
from .fleet import DeviceRecord, Fleet
from .ids import entity_unique_id
from .issues import SiteIssues
from .protocol import Channel
from .readings import DataPoint, Kind, Leaf, is_diagnostic, leaves, makes_entity
from .slices import SLICE

if TYPE_CHECKING:
    from .entity import DataEntity

MAX_DATA_POINTS: Final = 100  # a device
MAX_ENTITIES: Final = 9_900  # of a config entry; Home Assistant refuses more than 10,000 enabled ones
_ROOM_COUNTED_EVERY: Final = 60  # seconds, while there is none
_REFUSED_FOR: Final = 600  # seconds without a refused leaf, after which a device that got no room no longer wants it


class SiteData:
    """The data entities of one site."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        site_code: str,
        fleet: Fleet,
        issues: SiteIssues,
        *,
        on_new: Callable[[Arrival], None],
        on_learned: Callable[[], None],
    ) -> None:
        """Have no entities yet; `on_new` takes new data points, `on_learned` hears that there is something to save."""
        self.enabled = True
        self._interval = 0.0
        self._loop = hass.loop
        self._registry = er.async_get(hass)
        self._entry_id = entry_id
        self._site_code = site_code
        self._fleet = fleet
        self._issues = issues
        self._on_new = on_new
        self._on_learned = on_learned
        self._entities: dict[DeviceRecord, dict[str, DataEntity]] = {}
        # the last value, until the entity is there to take it
        self._arriving: dict[tuple[DeviceRecord, str], Leaf] = {}
        self._room = 0
        self._room_counted: float | None = None
        self._refused: dict[tuple[DeviceRecord, Channel], float] = {}  # when a leaf last found no place
        self._due: list[tuple[float, int, DataEntity]] = []  # a heap of entities that must wait with their write
        self._order = count()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    @callback
    def async_apply_options(self, *, enabled: bool, interval: float) -> None:
        """Make and update entities from now on, or leave them as they are; write each once an interval at most."""
        self.enabled = enabled
        self._interval = interval
        self._count_room_anew()
        if not enabled:
            self._refused.clear()
        self.async_tell_refused()
        self._due = [(entity.written + interval, order, entity) for _, order, entity in self._due]
        heapify(self._due)
        self._arm()

    @callback
    def async_start(self) -> None:
        """Notice what the user removed while the site was not loaded, or was disabled: no entity has told of that."""
        for record in self._fleet.records.values():
            for key, point in record.data.items():
                platform = Platform.BINARY_SENSOR if point.kind is Kind.BOOLEAN else Platform.SENSOR
                ids = (platform, DOMAIN, entity_unique_id(self._site_code, record, key))
                if ids in self._registry.deleted_entities and not self._registry.async_get_entity_id(*ids):
                    record.data[key] = point._replace(removed=True)

    @callback
    def async_stop(self) -> None:
        """Write nothing more."""
        self._due.clear()
        self._arm()

    @callback
    def async_attach(self, entity: DataEntity) -> CALLBACK_TYPE:
        """Hand an entity its values from now on, first the one that waits for it; return what ends that."""
        entities = self._entities.setdefault(entity.record, {})
        entities[entity.key] = entity
        if first := self._arriving.pop((entity.record, entity.key), None):
            entity.take(first)
        return lambda: self._detach(entity)

    @callback
    def async_not_added(self, entity: DataEntity) -> None:
        """Keep no value for an entity that Home Assistant did not add, since it is disabled."""
        self._arriving.pop((entity.record, entity.key), None)

    @callback
    def async_removed(self, record: DeviceRecord, key: str) -> None:
        """Remember that the user removed an entity: it does not come back, and its place is free."""
        self._count_room_anew()
        if point := record.data.get(key):  # else the device was deleted
            record.data[key] = point._replace(removed=True)
            self._on_learned()

    @callback
    def async_forget(self, record: DeviceRecord) -> None:
        """Forget a deleted device."""
        self._entities.pop(record, None)
        for key in record.data:
            self._arriving.pop((record, key), None)
        record.data.clear()
        for channel in Channel:
            self._refused.pop((record, channel), None)
        self._count_room_anew()

    @callback
    def async_tell_refused(self) -> None:
        """Tell the user which devices send data that has no entity, as far as they are not muted."""
        records = {record for record, _ in self._refused if not record.muted}
        self._issues.async_set_data_limit(sorted(records, key=lambda record: record.key))

    @callback
    def async_take(self, record: DeviceRecord, channel: Channel, data: Mapping[str, Any]) -> None:
        """Hand the values of a message to their entities, and make those that are missing."""
        if not self.enabled:
            return
        entities = self._entities.get(record, {})
        new: dict[str, Leaf] = {}
        for key, leaf in leaves(channel, data).items():
            entity = entities.get(key)
            if entity is not None:
                if entity.take(leaf):
                    self._write(entity)
            elif (record, key) in self._arriving:
                self._arriving[record, key] = leaf
            elif key not in record.data and makes_entity(key, leaf):
                new[key] = leaf
        if new or (record, channel) in self._refused:
            self._make(record, channel, new)

    def learn_unit(self, record: DeviceRecord, key: str, unit: str) -> None:
        """Remember that a data point has another unit than before."""
        record.data[key] = record.data[key]._replace(unit=unit)
        self._on_learned()

    # Making

    def _make(self, record: DeviceRecord, channel: Channel, new: dict[str, Leaf]) -> None:
        """Make entities of as many new leaves as there is room for."""
        places = MAX_DATA_POINTS - sum(not point.removed for point in record.data.values())
        made = 0
        for key, leaf in new.items():
            if made >= places or not self._has_room(channel):
                break
            made += 1
            assert leaf.kind
            record.data[key] = DataPoint(leaf.kind, leaf.unit)
            if not is_diagnostic(key):
                self._room -= 1
                self._arriving[record, key] = leaf
            self._on_new(Arrival(record, key))
        if made:
            self._on_learned()
        self._note_refused(record, channel, refused=made < len(new), full=made >= places)

    def _note_refused(self, record: DeviceRecord, channel: Channel, *, refused: bool, full: bool) -> None:
        """Keep what the user is told up to date: a message in which nothing is refused does not yet mean that there is room."""
        now = self._loop.time()
        since = self._refused.get((record, channel))
        if refused:
            self._refused[record, channel] = now
        elif since is not None and (now - since >= _REFUSED_FOR or (not full and self._has_room(channel))):
            del self._refused[record, channel]
        if refused != (since is not None):
            self.async_tell_refused()

    def _has_room(self, channel: Channel) -> bool:
        """Tell whether there is a place for one more enabled entity: connectivity of all devices to come goes first.

        A new device takes an entity and leaves one device fewer to come, so only data uses room up. Where there is none it
        is counted again after a while: the user may have made some. What comes with a heartbeat is disabled at first.
        """
        if channel is Channel.HEARTBEAT:
            return True
        now = self._loop.time()
        if self._room <= 0 and (self._room_counted is None or now - self._room_counted >= _ROOM_COUNTED_EVERY):
            self._room_counted = now
            enabled = count_enabled(self._registry, self._entry_id)
            to_come = max(0, self._fleet.max_devices - len(self._fleet.records))
            self._room = MAX_ENTITIES - enabled - to_come - len(self._arriving)
        return self._room > 0

    def _count_room_anew(self) -> None:
        self._room = 0
        self._room_counted = None

    # Writing

    def _detach(self, entity: DataEntity) -> None:
        entity.waits = False
        # a device that was deleted is forgotten as a whole
        self._entities.get(entity.record, {}).pop(entity.key, None)

    def _write(self, entity: DataEntity) -> None:
        now = self._loop.time()
        due = entity.written + self._interval
        if due <= now:
            self._write_now(entity, now)
        elif not entity.waits:
            entity.waits = True
            heappush(self._due, (due, next(self._order), entity))
            if self._due[0][2] is entity:
                self._arm()

    def _write_now(self, entity: DataEntity, now: float) -> None:
        entity.waits = False
        entity.written = now
        entity.async_write()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0][0], self._write_due) if self._due else None

    def _write_due(self) -> None:
        now = self._loop.time()
        slice_end = now + SLICE
        while self._due and self._due[0][0] <= now:
            _, _, entity = heappop(self._due)
            if entity.waits:
                self._write_now(entity, now)
                now = self._loop.time()
            if now >= slice_end:
                self._timer = self._loop.call_soon(self._write_due)
                return
        self._arm()


@callback
def count_enabled(registry: er.EntityRegistry, entry_id: str) -> int:
    """Count the entities of a config entry that the user has not disabled, as Home Assistant does for its limit."""
    return sum(entry.disabled_by is None for entry in er.async_entries_for_config_entry(registry, entry_id))
