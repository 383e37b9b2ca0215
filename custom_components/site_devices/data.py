"""Data: what devices report goes to their data entities; a data point seen for the first time gets one.

A message comes from `site`, is taken apart by `readings`, and each leaf goes to its entity, which is written when that
changed it. With a `data_interval` an entity is written at most once in it, and one timer serves all that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from itertools import count
import logging
from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from .arrivals import Arrival
from .budget import Budget
from .compat import was_removed
from .const import DOMAIN
from .fleet import DeviceRecord, Fleet
from .ids import entity_unique_id
from .options import SiteOptions
from .protocol import Channel
from .readings import DataPoint, Kind, Leaf, is_diagnostic, leaves, makes_entity
from .slices import SLICE, in_slices

if TYPE_CHECKING:
    from .entity import DataEntity

_LOGGER = logging.getLogger(__name__)

MAX_DATA_POINTS: Final = 100  # a device
_WAITS_FOR: Final = 60  # seconds in which Home Assistant has added an entity, unless it is disabled or was refused
_REFUSED_FOR: Final = 600  # seconds without a refused leaf, after which a device that got no room no longer wants it


class SiteData:
    """The data entities of one site."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        site_code: str,
        fleet: Fleet,
        *,
        on_new: Callable[[Arrival], None],
        on_learned: Callable[[], None],
        on_refused: Callable[[], None],
    ) -> None:
        """Have no entities yet.

        `on_new` takes new data points, `on_learned` hears that there is something to save, and `on_refused` that other
        devices than before send data that has no entity.
        """
        self.enabled = True
        self._interval = 0
        self._loop = hass.loop
        self._registry = er.async_get(hass)
        self._site_code = site_code
        self._fleet = fleet
        self._on_new = on_new
        self._on_learned = on_learned
        self._on_refused = on_refused
        self._entities: dict[DeviceRecord, dict[str, DataEntity]] = {}
        # the last value, until the entity is there to take it, and since when it waits; the oldest first
        self._arriving: dict[tuple[DeviceRecord, str], tuple[Leaf, float]] = {}
        self.budget = Budget(hass, entry_id, site_code, fleet, self._arriving)
        self._refused: dict[DeviceRecord, dict[Channel, float]] = {}  # when a leaf last found no place
        self._due: list[tuple[float, int, DataEntity]] = []  # a heap of entities that must wait with their write
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None
        self._write_failed = False

    @callback
    def async_apply_options(self, options: SiteOptions) -> None:
        """Make and update entities from now on, or leave them as they are; write each once an interval at most."""
        self.enabled = options.data_entities
        self._interval = interval = options.data_interval
        self.budget.async_set_max_devices(options.max_devices)
        if not self.enabled:
            self._refused.clear()
        self._due = [(entity.written + interval, order, entity) for _, order, entity in self._due]
        heapify(self._due)
        self._arm()

    async def async_start(self) -> None:
        """Notice what the user removed while the site was not loaded, or was disabled: no entity has told of that."""
        async for record in in_slices(self._fleet.records.values()):
            for key, point in record.data.items():
                platform = Platform.BINARY_SENSOR if point.kind is Kind.BOOLEAN else Platform.SENSOR
                unique_id = entity_unique_id(self._site_code, record, key)
                if self._registry.async_get_entity_id(platform, DOMAIN, unique_id) is None and was_removed(
                    self._registry, platform, unique_id
                ):
                    record.data[key] = point._replace(removed=True)
        self.budget.async_start()

    @callback
    def async_minute_over(self) -> None:
        """Drop values whose entity was not added: it is disabled, or Home Assistant refused it."""
        before = self._loop.time() - _WAITS_FOR
        while self._arriving:
            key, (_, since) = next(iter(self._arriving.items()))
            if since > before:
                break
            del self._arriving[key]
        self.budget.async_minute_over()

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
            entity.take(first[0])
        return lambda: self._detach(entity)

    @callback
    def async_removed(self, record: DeviceRecord, key: str) -> None:
        """Remember that the user removed an entity: it does not come back, and its place is free."""
        self.budget.async_freed()
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
        self._refused.pop(record, None)
        self.budget.async_freed()

    def refused(self) -> list[DeviceRecord]:
        """Return the devices that send data that has no entity, without the muted ones."""
        return [record for record in self._refused if not record.muted]

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
            elif waiting := self._arriving.get((record, key)):
                self._arriving[record, key] = (leaf, waiting[1])
            elif key not in record.data and makes_entity(key, leaf):
                new[key] = leaf
        if new or channel in self._refused.get(record, ()):
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
                self.budget.take()
                self._arriving[record, key] = (leaf, self._loop.time())
            self._on_new(Arrival(record, key))
        if made:
            self._on_learned()
        self._note_refused(record, channel, refused=made < len(new), full=made >= places)

    def _note_refused(self, record: DeviceRecord, channel: Channel, *, refused: bool, full: bool) -> None:
        """Keep what the user is told up to date: a message in which nothing is refused does not yet mean that there is room."""
        now = self._loop.time()
        channels = self._refused.get(record, {})
        before = channel in channels
        if refused:
            channels[channel] = now
            self._refused[record] = channels
        elif before and (now - channels[channel] >= _REFUSED_FOR or (not full and self._has_room(channel))):
            del channels[channel]
            if not channels:
                del self._refused[record]
        if refused != before:
            self._on_refused()

    def _has_room(self, channel: Channel) -> bool:
        """Tell whether one more entity fits. What comes with a heartbeat is disabled at first and needs no room."""
        return channel is Channel.HEARTBEAT or self.budget.has_room()

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
        try:
            entity.async_write()
        except Exception:  # of one entity, which must not keep the others from being written
            if not self._write_failed:
                self._write_failed = True
                _LOGGER.exception(
                    "%s: %s can't be shown; further ones are not logged", self._site_code, entity.entity_id
                )

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0][0], self._write_due) if self._due else None

    def _write_due(self) -> None:
        """Write what is due, for no longer than a slice; the rest in the next turn of the loop."""
        now = self._loop.time()
        slice_end = now + SLICE
        try:
            while self._due and self._due[0][0] <= now:
                _, _, entity = heappop(self._due)
                if entity.waits:
                    self._write_now(entity, now)
                    now = self._loop.time()
                if now >= slice_end:
                    break
        finally:
            self._arm()
