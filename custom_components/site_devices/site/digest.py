"""Digest: combine changes into events, so that an outage is one event and not a thousand.

In: changes from `site`. Out: events to `sink`, the event entity, one for each kind at the end of half a deadline.
`ONLINE` and `OFFLINE` are sent only for devices that are still in that state then and were last told otherwise: sending
sets `record.told_offline`, which is stored, and `record.pending_event` follows from it. So a device told offline is
told online once, even after a restart, a pause of monitoring or a replacement; a short outage makes no event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from homeassistant.core import callback
from homeassistant.helpers.json import json_bytes

from ..core.device import Change, ChangeKind, DeviceRecord
from ..core.fleet import Fleet
from ..core.markdown import escape
from .pacing import Timer

EVENT_KINDS: Final = (
    ChangeKind.DISCOVERED,
    ChangeKind.ONLINE,
    ChangeKind.OFFLINE,
    ChangeKind.MOVED,
    ChangeKind.REPLACED,
    ChangeKind.CONFLICT,
)
_STATES: Final = (ChangeKind.ONLINE, ChangeKind.OFFLINE)  # states of a device; what is not sent now can be sent later
# changes after which the last event about a device may be outdated; replacing hardware is online
_REVIEWED_AFTER: Final = (*_STATES, ChangeKind.MUTED, ChangeKind.REPLACED)
_DEVICES_LISTED: Final = 20
_MAX_BYTES: Final = 14_000  # the recorder drops attributes above 16,384
_SHORTEST_WINDOW: Final = 1.0  # seconds
_LONGEST_WINDOW: Final = 15.0
_MIN_GAP: Final = 0.002  # seconds; Home Assistant before 2025.8 loses one of two events in the same millisecond

type EventSink = Callable[[str, dict[str, Any]], None]


class Digest:
    """The event digest of one site."""

    handles: Final = (*EVENT_KINDS, ChangeKind.MUTED, ChangeKind.REMOVED)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        site_code: str,
        fleet: Fleet,
        describe: Callable[[DeviceRecord], dict[str, Any]],
        on_told: Callable[[], None],
    ) -> None:
        """Start empty and silent.

        `describe` returns a device's `serial`, `name` and `device_id` for an event. `on_told` is called when
        `told_offline` of some devices must be saved.
        """
        self.sink: EventSink | None = None  # the event entity
        self._loop = loop
        self._site_code = site_code
        self._fleet = fleet
        self._describe = describe
        self._on_told = on_told
        self._texts: Mapping[str, str] = {}
        self._allowed = False
        self._windows: dict[ChangeKind, tuple[float, dict[DeviceRecord, None]]] = {}
        self._timer = Timer(loop, self._window_over)
        self._not_before = 0.0  # the next event

    @callback
    def async_start(self, texts: Mapping[str, str], *, allowed: bool) -> Callable[[], Coroutine[Any, Any, None]]:
        """Set the texts, by `event_{kind}_one` and `event_{kind}_many`, and whether events are allowed.

        Return a coroutine function that flushes pending events, to be called before the event entity is removed.
        """
        self._texts = texts
        self._allowed = allowed
        return self._flush

    @callback
    def async_handle(self, change: Change) -> None:
        """Gather a change, or an event that it makes pending; drop a removed device."""
        record, kind, _ = change
        if kind in EVENT_KINDS and kind not in _STATES:
            self._gather(record, kind)
        if kind in _REVIEWED_AFTER:
            self._gather_pending(record)
        elif kind is ChangeKind.REMOVED:
            for _, gathered in self._windows.values():
                gathered.pop(record, None)

    @callback
    def async_review(self) -> None:
        """Gather all pending events: they may be sent again."""
        for record in self._fleet.records.values():
            self._gather_pending(record)

    @callback
    def async_allow(self, allowed: bool) -> None:
        """Allow events, or not; those about states stay pending, the other gathered ones are sent now."""
        self._allowed = allowed
        if not allowed:
            now = self._loop.time()
            self._windows = {kind: (now, window[1]) for kind, window in self._windows.items() if kind not in _STATES}
            self._arm()

    async def _flush(self) -> None:
        self._allowed = False
        while self._windows:
            self._send(next(iter(self._windows)))
            if self._windows:
                await asyncio.sleep(_MIN_GAP)
        self._timer.async_cancel()

    def _gather_pending(self, record: DeviceRecord) -> None:
        if kind := record.pending_event:
            self._gather(record, kind)

    def _gather(self, record: DeviceRecord, kind: ChangeKind) -> None:
        if record.muted or not self._allowed:
            return
        if kind not in self._windows:
            window = min(max(self._fleet.deadlines.offline_after / 2, _SHORTEST_WINDOW), _LONGEST_WINDOW)
            self._windows[kind] = (self._loop.time() + window, {})
            self._arm()
        self._windows[kind][1][record] = None

    def _arm(self) -> None:
        if self._windows:
            end = min(end for end, _ in self._windows.values())
            self._timer.async_set(max(end, self._not_before))
        else:
            self._timer.async_cancel()

    def _window_over(self) -> None:
        now = self._loop.time()
        kind = min(self._windows, key=lambda kind: self._windows[kind][0])
        try:
            if self._windows[kind][0] <= now:
                self._send(kind)
        finally:
            self._arm()

    def _send(self, kind: ChangeKind) -> None:
        _, gathered = self._windows.pop(kind)
        records = [
            record for record in gathered if not record.muted and (kind not in _STATES or record.pending_event is kind)
        ]
        if not records or self.sink is None:
            return
        self._not_before = self._loop.time() + _MIN_GAP
        listed = _DEVICES_LISTED
        attributes = self._attributes(kind, records, listed)
        while len(json_bytes(attributes)) > _MAX_BYTES:
            listed -= 1
            attributes = self._attributes(kind, records, listed)
        self.sink(str(kind), attributes)
        if kind in _STATES:
            for record in records:
                record.told_offline = kind is ChangeKind.OFFLINE
            self._on_told()

    def _attributes(self, kind: ChangeKind, records: list[DeviceRecord], listed: int) -> dict[str, Any]:
        devices = [self._describe(record) for record in records[:listed]]
        names = ", ".join(escape(device["name"]) for device in devices)
        more = " …" if len(records) > listed else ""
        text = self._texts[f"event_{kind}_{'one' if len(records) == 1 else 'many'}"]
        message = text.format(count=len(records), site=escape(self._site_code), devices=names + more)
        return {"count": len(records), "devices": devices, "message": message}
