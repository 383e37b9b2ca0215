"""Digest: what happens on a site, gathered for a while, so that an outage is one event and not a thousand."""

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
_STATES: Final = (ChangeKind.ONLINE, ChangeKind.OFFLINE)  # that a device is in, so that they can be told late
# what a device has been told may be wrong from then on: other hardware that goes on as it is online
_UNTOLD_AFTER: Final = (*_STATES, ChangeKind.MUTED, ChangeKind.REPLACED)
_DEVICES_LISTED: Final = 20
_MAX_BYTES: Final = 14_000  # the recorder drops attributes of more than 16,384
_SHORTEST_WINDOW: Final = 1.0  # seconds
_LONGEST_WINDOW: Final = 15.0
_APART: Final = 0.002  # seconds; of two events in one millisecond Home Assistant before 2025.8 loses one

type EventSink = Callable[[str, dict[str, Any]], None]


class Digest:
    """Gathers the changes of each kind in a window of time, and sends them as one event at its end.

    Who fell silent or came back is told so only if that is still true then, and not what was told last: of each device the
    record keeps that, so that no restart, no switch and no short outage makes an event too few or too many.
    """

    hears: Final = (*EVENT_KINDS, ChangeKind.MUTED, ChangeKind.REMOVED)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        site_code: str,
        fleet: Fleet,
        describe: Callable[[DeviceRecord], dict[str, Any]],
        on_told: Callable[[], None],
    ) -> None:
        """Start empty and silent.

        `describe` gives what an event says of a device: `serial`, `name` and `device_id`. `on_told` is called when what
        was told last is to be saved.
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
        """Take the messages, by `event_{kind}_one` and `event_{kind}_many`, and whether anything may be told.

        Return what ends it: what was gathered is sent, since the event entity is about to go.
        """
        self._texts = texts
        self._allowed = allowed
        return self._flush

    @callback
    def async_hear(self, change: Change) -> None:
        """Gather what happened; the first of a kind opens a window of half a deadline."""
        record, kind, _ = change
        if kind in EVENT_KINDS and kind not in _STATES:
            self._gather(record, kind)
        if kind in _UNTOLD_AFTER:
            self._gather_untold(record)
        elif kind is ChangeKind.REMOVED:
            for _, gathered in self._windows.values():
                gathered.pop(record, None)

    @callback
    def async_review(self) -> None:
        """Gather who must be told something, since that has become possible."""
        for record in self._fleet.records.values():
            self._gather_untold(record)

    @callback
    def async_allow(self, allowed: bool) -> None:
        """Tell from now on, or do not: who is still silent then is told when it is allowed again."""
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
                await asyncio.sleep(_APART)
        self._timer.async_cancel()

    def _gather_untold(self, record: DeviceRecord) -> None:
        if kind := record.untold:
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
        records = [record for record in gathered if not record.muted and (kind not in _STATES or record.untold is kind)]
        if not records or self.sink is None:
            return
        self._not_before = self._loop.time() + _APART
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
