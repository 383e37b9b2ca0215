"""Data: what devices report goes to their data entities; a data point seen for the first time gets one.

A message comes from `site`, is taken apart by `readings`, and each leaf goes to its entity, which is written when that
changed it. With a `data_interval` an entity is written at most once in it, and one timer serves all that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .arrivals import Arrival
from .deadlines import SLICE
from .fleet import DeviceRecord, Fleet
from .issues import SiteIssues
from .protocol import Channel
from .readings import DataPoint, Leaf, is_diagnostic, leaves

if TYPE_CHECKING:
    from .entity import DataEntity

MAX_DATA_POINTS: Final = 100  # a device
MAX_ENTITIES: Final = 9_900  # of a config entry; Home Assistant refuses more than 10,000 enabled ones
_ROOM_COUNTED_EVERY: Final = 60  # seconds, while there is none


class SiteData:
    """The data entities of one site."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
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
        self._fleet = fleet
        self._issues = issues
        self._on_new = on_new
        self._on_learned = on_learned
        self._entities: dict[DeviceRecord, dict[str, DataEntity]] = {}
        self._arriving: dict[
            tuple[DeviceRecord, str], Leaf
        ] = {}  # the first value, until the entity is there to take it
        self._room = 0
        self._room_counted: float | None = None
        self._refused: set[tuple[DeviceRecord, Channel]] = set()
        self._due: list[tuple[float, int, DataEntity]] = []  # a heap of entities that must wait with their write
        self._order = count()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    @callback
    def async_apply_options(self, *, enabled: bool, interval: float) -> None:
        """Make and update entities from now on, or leave them as they are; write each once an interval at most."""
        self.enabled = enabled
        self._interval = interval
        self._due = [(self._loop.time(), order, entity) for _, order, entity in self._due]
        self._arm()

    @callback
    def async_stop(self) -> None:
        """Write nothing more."""
        self._due.clear()
        self._arm()

    @callback
    def async_attach(self, entity: DataEntity) -> CALLBACK_TYPE:
        """Hand an entity its values from now on, the one that made it first; return what ends that."""
        entities = self._entities.setdefault(entity.record, {})
        entities[entity.key] = entity
        if first := self._arriving.pop((entity.record, entity.key), None):
            entity.take(first)
        return lambda: self._detach(entity)

    @callback
    def async_removed(self, record: DeviceRecord, key: str) -> None:
        """Remember that the user removed an entity: it does not come back, and its place is free."""
        record.data[key] = record.data[key]._replace(removed=True)
        self._room_counted = None
        self._on_learned()

    @callback
    def async_forget(self, record: DeviceRecord) -> None:
        """Forget a deleted device."""
        self._entities.pop(record, None)
        self._refused -= {(record, channel) for channel in Channel}
        self._room_counted = None
        self._tell_refused()

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
            elif (point := record.data.get(key)) is None:
                if leaf.kind:
                    new[key] = leaf
            elif not point.removed and (record, key) in self._arriving:
                self._arriving[record, key] = leaf
        if new or self._refused:
            self._make(record, channel, new)

    def learn_unit(self, record: DeviceRecord, key: str, unit: str) -> None:
        """Remember that a data point has another unit than before."""
        record.data[key] = record.data[key]._replace(unit=unit)
        self._on_learned()

    def _make(self, record: DeviceRecord, channel: Channel, new: dict[str, Leaf]) -> None:
        """Make entities of as many new leaves as there is room for."""
        room = MAX_DATA_POINTS - sum(not point.removed for point in record.data.values())
        made = 0
        for key, leaf in new.items():
            if made >= room or not (is_diagnostic(key) or self._take_room()):
                break
            made += 1
            assert leaf.kind
            record.data[key] = DataPoint(leaf.kind, leaf.unit)
            if not is_diagnostic(key):
                self._arriving[record, key] = leaf
            self._on_new(Arrival(record, key))
        if made:
            self._on_learned()
        refused = (record, channel)
        if (made < len(new)) != (refused in self._refused):
            self._refused ^= {refused}
            self._tell_refused()

    def _take_room(self) -> bool:
        """Take the place of one enabled entity, if connectivity of all devices to come leaves one.

        A new device takes an entity and leaves one device fewer to come, so only data uses room up. Where there is none it
        is counted again after a while: the user may have made some.
        """
        now = self._loop.time()
        if self._room <= 0 and (self._room_counted is None or now - self._room_counted >= _ROOM_COUNTED_EVERY):
            self._room_counted = now
            self._room = self._count_room()
        if self._room <= 0:
            return False
        self._room -= 1
        return True

    def _count_room(self) -> int:
        enabled = count_enabled(self._registry, self._entry_id)
        to_come = max(0, self._fleet.max_devices - len(self._fleet.records))
        return MAX_ENTITIES - enabled - to_come - len(self._arriving)

    def _tell_refused(self) -> None:
        records = {record for record, _ in self._refused if not record.muted}
        self._issues.async_set_data_limit(sorted(records, key=lambda record: record.key))

    def _detach(self, entity: DataEntity) -> None:
        # a device that was deleted is forgotten as a whole
        self._entities.get(entity.record, {}).pop(entity.key, None)

    # Writing

    def _write(self, entity: DataEntity) -> None:
        now = self._loop.time()
        if not self._interval:
            entity.async_write()
        elif entity.next_write <= now:
            entity.next_write = now + self._interval
            entity.async_write()
        elif not entity.waits:
            entity.waits = True
            heappush(self._due, (entity.next_write, next(self._order), entity))
            if self._due[0][2] is entity:
                self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0][0], self._write_due) if self._due else None

    def _write_due(self) -> None:
        now = self._loop.time()
        slice_end = now + SLICE
        while self._due and self._due[0][0] <= now:
            _, _, entity = heappop(self._due)
            entity.waits = False
            entity.next_write = now + self._interval
            entity.async_write()
            now = self._loop.time()
            if now >= slice_end:
                self._timer = self._loop.call_soon(self._write_due)
                return
        self._arm()


@callback
def count_enabled(registry: er.EntityRegistry, entry_id: str) -> int:
    """Count the entities of a config entry that the user has not disabled, as Home Assistant does for its limit."""
    return sum(entry.disabled_by is None for entry in er.async_entries_for_config_entry(registry, entry_id))
