"""Data entities: hand reported values to the entities that show them, and create entities for new data points.

In: payloads from `site`, which `readings` splits into leaves. Out: values to entities, which are written when they
changed, at most once per `data_interval`; changes of data points through `dispatch`. `record.data` is created (`_make`)
and changed only here; `storage` restores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
import math
from typing import Any, Final, Protocol

from homeassistant.const import Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

from ..compat import was_removed
from ..const import DOMAIN
from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from ..core.protocol import Channel
from ..core.readings import DataPoint, Kind, Leaf, is_diagnostic, leaves, makes_entity
from .budget import Budget
from .ids import entity_unique_id
from .options import SiteOptions
from .pacing import Guard, Slices, Timer, in_slices
from .readers import Dispatch

MAX_DATA_POINTS: Final = 100  # per device
_MAX_WAIT: Final = 60  # seconds; by then Home Assistant has added an entity, unless it is disabled or was refused
_REFUSED_FOR: Final = 600  # seconds without a refused leaf, after which a device counts as no longer refused


class DataListener(Protocol):
    """What is required of an entity that shows a data point."""

    record: DeviceRecord
    key: str

    def take(self, leaf: Leaf) -> bool:
        """Set the value; return whether it changed."""

    def follow_unit(self) -> None:
        """Update the unit: that of the data point has changed."""

    def async_write(self) -> None:
        """Write the state."""


@dataclass(slots=True, eq=False)
class _Shown:
    """An entity, and when it may be written."""

    entity: DataListener
    written: float = -math.inf  # monotonic
    waits: bool = False  # for the next write, until `data_interval` has passed


class DataEntities:
    """The data entities of one site."""

    handles: Final = (ChangeKind.REMOVED,)

    def __init__(self, hass: HomeAssistant, entry_id: str, site_code: str, fleet: Fleet, dispatch: Dispatch) -> None:
        """Start without entities; `dispatch` receives changes of data points."""
        self.enabled = True
        self._interval = 0
        self._loop = hass.loop
        self._registry = er.async_get(hass)
        self._site_code = site_code
        self._fleet = fleet
        self._dispatch = dispatch
        self._entities: dict[DeviceRecord, dict[str, _Shown]] = {}
        # for entities not added yet: the last value, and since when it waits; the oldest first
        self._arriving: dict[tuple[DeviceRecord, str], tuple[Leaf, float]] = {}
        self.budget = Budget(hass, entry_id, site_code, fleet, self._arriving)
        self._refused: dict[DeviceRecord, dict[Channel, float]] = {}  # when a leaf last found no room
        self._due: list[tuple[float, int, _Shown]] = []  # a heap of entities that wait for their next write
        self._order = count()
        self._guard = Guard("show reported data")
        self._slices = Slices(hass.loop, self._write_next, self._guard)
        self._timer = Timer(hass.loop, self._slices.async_start)

    @callback
    def async_apply_options(self, options: SiteOptions) -> None:
        """Apply the options that concern data."""
        self.enabled = options.data_entities
        self._interval = interval = options.data_interval
        self.budget.async_set_max_devices(options.max_devices)
        if not self.enabled:
            self._refused.clear()
        self._due = [(shown.written + interval, order, shown) for _, order, shown in self._due]
        heapify(self._due)
        self._arm()

    async def async_start(self) -> CALLBACK_TYPE:
        """Detect entities removed while the site was not loaded; return a callable that stops writing."""
        async for record in in_slices(self._fleet.records.values()):
            for key, point in record.data.items():
                platform = Platform.BINARY_SENSOR if point.kind is Kind.BOOLEAN else Platform.SENSOR
                unique_id = entity_unique_id(self._site_code, record, key)
                if self._registry.async_get_entity_id(platform, DOMAIN, unique_id) is None and was_removed(
                    self._registry, platform, unique_id
                ):
                    record.data[key] = point._replace(removed=True)
        self.budget.async_start()
        return self._stop

    @callback
    def async_minute_over(self) -> None:
        """Drop values whose entity was not added: it is disabled, or Home Assistant refused it."""
        before = self._loop.time() - _MAX_WAIT
        while self._arriving:
            key, (_, since) = next(iter(self._arriving.items()))
            if since > before:
                break
            del self._arriving[key]
        self.budget.async_minute_over()

    @callback
    def async_attach(self, entity: DataListener) -> CALLBACK_TYPE:
        """Subscribe an entity to its values, first the one that waits for it; return a callable that unsubscribes."""
        shown = _Shown(entity)
        self._entities.setdefault(entity.record, {})[entity.key] = shown
        if first := self._arriving.pop((entity.record, entity.key), None):
            self._hand_over(entity, first[0])

        @callback
        def detach() -> None:
            shown.waits = False
            # the entities of a deleted device are gone already
            self._entities.get(entity.record, {}).pop(entity.key, None)

        return detach

    @callback
    def async_removed(self, record: DeviceRecord, key: str) -> None:
        """Note that the user removed an entity: it is not created again, and leaves room for others."""
        self.budget.async_freed()
        if point := record.data.get(key):  # otherwise the device was deleted
            record.data[key] = point._replace(removed=True)
            self._dispatch((Change(record, ChangeKind.DATA_CHANGED, key),))

    @callback
    def async_handle(self, change: Change) -> None:
        """Drop all about a deleted device."""
        record = change.record
        self._entities.pop(record, None)
        for key in record.data:
            self._arriving.pop((record, key), None)
        record.data.clear()
        self._refused.pop(record, None)
        self.budget.async_freed()

    def refused(self) -> list[DeviceRecord]:
        """Return the devices, except muted ones, with data for which there was no room."""
        return [record for record in self._refused if not record.muted]

    @callback
    def async_take(self, record: DeviceRecord, channel: Channel, data: Mapping[str, Any]) -> None:
        """Hand the values of a message to their entities, and create missing ones."""
        if not self.enabled:
            return
        entities = self._entities.get(record, {})
        new: dict[str, Leaf] = {}
        for key, leaf in leaves(channel, data).items():
            shown = entities.get(key)
            if shown is not None:
                if self._hand_over(shown.entity, leaf):
                    self._write(shown)
            elif waiting := self._arriving.get((record, key)):
                self._arriving[record, key] = (leaf, waiting[1])
            elif key not in record.data and makes_entity(key, leaf):
                new[key] = leaf
        if new or channel in self._refused.get(record, ()):
            self._make(record, channel, new)

    def _hand_over(self, entity: DataListener, leaf: Leaf) -> bool:
        """Hand a value to an entity, and a number's new unit; return whether to write it."""
        changed = entity.take(leaf)
        if leaf.unit is None:
            return changed
        record, key = entity.record, entity.key
        point = record.data[key]
        if leaf.unit == point.unit or point.kind is not Kind.NUMBER:
            return changed
        record.data[key] = point._replace(unit=leaf.unit)
        self._dispatch((Change(record, ChangeKind.DATA_CHANGED, key),))
        entity.follow_unit()
        return True

    # Creating

    def _make(self, record: DeviceRecord, channel: Channel, new: dict[str, Leaf]) -> None:
        """Create entities for as many new leaves as there is room for."""
        free = MAX_DATA_POINTS - sum(not point.removed for point in record.data.values())
        made = 0
        for key, leaf in new.items():
            if made >= free or not self._has_room(channel):
                break
            made += 1
            assert leaf.kind
            record.data[key] = DataPoint(leaf.kind, leaf.unit)
            if not is_diagnostic(key):
                self.budget.take()
                self._arriving[record, key] = (leaf, self._loop.time())
            self._dispatch((Change(record, ChangeKind.DATA_FOUND, key),))
        self._note_refused(record, channel, refused=made < len(new), full=made >= free)

    def _note_refused(self, record: DeviceRecord, channel: Channel, *, refused: bool, full: bool) -> None:
        """Update `refused`. A message that fits does not prove there is room: keep the device until there is."""
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
            self._dispatch((Change(record, ChangeKind.DATA_REFUSED),))

    def _has_room(self, channel: Channel) -> bool:
        """Return whether one more entity fits. One from a heartbeat is disabled at first and needs no room."""
        return channel is Channel.HEARTBEAT or self.budget.has_room()

    # Writing

    def _write(self, shown: _Shown) -> None:
        now = self._loop.time()
        due = shown.written + self._interval
        if due <= now:
            self._write_now(shown, now)
        elif not shown.waits:
            shown.waits = True
            heappush(self._due, (due, next(self._order), shown))
            if self._due[0][2] is shown:
                self._arm()

    def _write_now(self, shown: _Shown, now: float) -> None:
        shown.waits = False
        shown.written = now
        with self._guard:
            shown.entity.async_write()

    def _arm(self) -> None:
        if self._due:
            self._timer.async_set(self._due[0][0])
        else:
            self._timer.async_cancel()

    def _write_next(self) -> bool:
        """Write one entity that is due; if none is, set the timer for the next."""
        now = self._loop.time()
        if not self._due or self._due[0][0] > now:
            self._arm()
            return False
        _, _, shown = heappop(self._due)
        if shown.waits:
            self._write_now(shown, now)
        return True

    @callback
    def _stop(self) -> None:
        self._due.clear()
        self._slices.async_stop()
        self._timer.async_cancel()
