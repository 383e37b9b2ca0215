"""Events: what happens on a site, gathered for a while, so that an outage is one event and not a thousand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from homeassistant.core import callback
from homeassistant.helpers.json import json_bytes

from .fleet import Change, ChangeKind, DeviceRecord
from .markdown import escape

EVENT_KINDS: Final = (
    ChangeKind.DISCOVERED,
    ChangeKind.ONLINE,
    ChangeKind.OFFLINE,
    ChangeKind.MOVED,
    ChangeKind.REPLACED,
    ChangeKind.CONFLICT,
)
_DEVICES_LISTED: Final = 20
_MAX_BYTES: Final = 14_000  # the recorder drops attributes of more than 16,384
_SHORTEST_WINDOW: Final = 1.0  # seconds
_LONGEST_WINDOW: Final = 15.0
_APART: Final = 0.002  # seconds; of two events in one millisecond Home Assistant before 2025.8 loses one

type EventSink = Callable[[str, dict[str, Any]], None]


class SiteEvents:
    """Gathers the changes of each kind in a window of time, and sends them as one event at its end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        site_code: str,
        describe: Callable[[DeviceRecord], dict[str, Any]],
    ) -> None:
        """Have gathered nothing; `describe` gives what an event says of a device: `serial`, `name` and `device_id`."""
        self.sink: EventSink | None = None  # the event entity
        self._loop = loop
        self._site_code = site_code
        self._describe = describe
        self._texts: Mapping[str, str] = {}
        self._windows: dict[ChangeKind, tuple[float, dict[DeviceRecord, None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @callback
    def async_start(self, texts: Mapping[str, str]) -> None:
        """Have messages to send, by `event_{kind}_one` and `event_{kind}_many`."""
        self._texts = texts

    @callback
    def async_changes(self, changes: Iterable[Change], offline_after: float) -> None:
        """Take in what happened; the first of a kind opens a window of half a deadline."""
        for record, kind in changes:
            if kind not in EVENT_KINDS or record.muted:
                continue
            if kind not in self._windows:
                window = min(max(offline_after / 2, _SHORTEST_WINDOW), _LONGEST_WINDOW)
                self._windows[kind] = (self._loop.time() + window, {})
                self._arm(self._loop.time())
            self._windows[kind][1][record] = None

    @callback
    def async_drop(self) -> None:
        """Forget what was gathered."""
        self._windows.clear()
        self._arm(self._loop.time())

    @callback
    def async_flush(self) -> None:
        """Send what was gathered: the event entity is about to go."""
        while self._windows:
            self._send(next(iter(self._windows)))
        self._arm(self._loop.time())

    def _arm(self, not_before: float) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._windows:
            end = min(end for end, _ in self._windows.values())
            self._timer = self._loop.call_at(max(end, not_before), self._window_over)

    def _window_over(self) -> None:
        self._timer = None
        now = self._loop.time()
        kind = min(self._windows, key=lambda kind: self._windows[kind][0])
        if self._windows[kind][0] <= now:
            self._send(kind)
        self._arm(now + _APART)

    def _send(self, kind: ChangeKind) -> None:
        _, gathered = self._windows.pop(kind)
        records = [record for record in gathered if not record.muted]
        if not records or self.sink is None:
            return
        listed = _DEVICES_LISTED
        attributes = self._attributes(kind, records, listed)
        while len(json_bytes(attributes)) > _MAX_BYTES:
            listed -= 1
            attributes = self._attributes(kind, records, listed)
        self.sink(str(kind), attributes)

    def _attributes(self, kind: ChangeKind, records: list[DeviceRecord], listed: int) -> dict[str, Any]:
        devices = [self._describe(record) for record in records[:listed]]
        names = ", ".join(escape(device["name"]) for device in devices)
        more = " …" if len(records) > listed else ""
        text = self._texts[f"event_{kind}_{'one' if len(records) == 1 else 'many'}"]
        message = text.format(count=len(records), site=escape(self._site_code), devices=names + more)
        return {"count": len(records), "devices": devices, "message": message}
