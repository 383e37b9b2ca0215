"""Listeners: notify entities when they must write their states.

In: subscriptions of entities; changes, heartbeats, new counts. Out: calls to the entities concerned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from homeassistant.core import CALLBACK_TYPE, callback

from ..core.device import Change, ChangeKind, DeviceRecord
from .pacing import Guard, Slices


class DeviceListener(Protocol):
    """What is required of an entity on a device's page."""

    record: DeviceRecord

    def async_write_ha_state(self) -> None:
        """Write the state."""

    def identify(self) -> None:
        """Update the unique id: the serial of the record has changed."""


class Listeners:
    """The entities of one site, by the device they show."""

    handles: Final = (ChangeKind.FIRST_ONLINE, ChangeKind.ONLINE, ChangeKind.OFFLINE, ChangeKind.REPLACED)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start empty."""
        self._devices: dict[DeviceRecord, list[DeviceListener]] = {}
        self._site: list[Callable[[], None]] = []
        self._heartbeats: dict[str, Callable[[], None]] = {}
        self._to_write: list[DeviceRecord] = []
        self._guard = Guard("write a state")
        self._slices = Slices(loop, self._write_next, self._guard)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Return a callable that stops writing in slices."""
        return self._slices.async_stop

    @callback
    def async_add(self, entity: DeviceListener) -> None:
        """Subscribe an entity to the changes of its device."""
        self._devices.setdefault(entity.record, []).append(entity)

    @callback
    def async_remove(self, entity: DeviceListener) -> None:
        """Unsubscribe it: a method, since a callable per entity would take half a kilobyte."""
        self._devices[entity.record].remove(entity)
        if not self._devices[entity.record]:
            del self._devices[entity.record]

    @callback
    def async_add_site(self, changed: Callable[[], None]) -> CALLBACK_TYPE:
        """Subscribe an entity of the site itself; return a callable that unsubscribes."""
        self._site.append(changed)
        return lambda: self._site.remove(changed)

    @callback
    def async_add_heartbeat(self, record: DeviceRecord, beat: Callable[[], None]) -> CALLBACK_TYPE:
        """Subscribe one entity of a device to every heartbeat; return a callable that unsubscribes."""
        self._heartbeats[record.key] = beat

        @callback
        def remove() -> None:
            self._heartbeats.pop(record.key, None)

        return remove

    @callback
    def async_heartbeat(self, key: str) -> None:
        """Notify the subscriber to a device's heartbeats, if any."""
        if self._heartbeats and (beat := self._heartbeats.get(key)):
            with self._guard:
                beat()

    @callback
    def async_handle(self, change: Change) -> None:
        """Notify the entities of a device; when it was replaced, update their ids first."""
        record, kind, key = change
        if kind is ChangeKind.REPLACED and key:
            self._identify(record, key)
        self._write(record)

    @callback
    def async_site_changed(self) -> None:
        """Notify the site's own entities."""
        for changed in self._site:
            with self._guard:
                changed()

    @callback
    def async_all_changed(self) -> None:
        """Notify all entities, those of devices in slices."""
        self.async_site_changed()
        self._to_write = list(self._devices)
        self._slices.async_start()

    def _identify(self, record: DeviceRecord, former_key: str) -> None:
        if beat := self._heartbeats.pop(former_key, None):
            self._heartbeats[record.key] = beat
        for entity in self._devices.get(record, ()):
            with self._guard:
                entity.identify()

    def _write(self, record: DeviceRecord) -> None:
        for entity in self._devices.get(record, ()):
            with self._guard:
                entity.async_write_ha_state()

    def _write_next(self) -> bool:
        if not self._to_write:
            return False
        self._write(self._to_write.pop())
        return True
