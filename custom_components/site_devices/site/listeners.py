"""Listeners: the entities that are there now, and which of them write their states on a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from homeassistant.core import CALLBACK_TYPE, callback

from ..core.device import Change, ChangeKind, DeviceRecord
from .pacing import Guard, Slices


class DeviceListener(Protocol):
    """What an entity on a device's page must have."""

    record: DeviceRecord

    def async_write_ha_state(self) -> None:
        """Write the state."""

    def identify(self) -> None:
        """Take the record's ids, which have changed."""


class Listeners:
    """Entities by what they show: a device's hear of that device only."""

    hears: Final = (ChangeKind.FIRST_ONLINE, ChangeKind.ONLINE, ChangeKind.OFFLINE, ChangeKind.REPLACED)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start without any."""
        self._devices: dict[DeviceRecord, list[DeviceListener]] = {}
        self._site: list[Callable[[], None]] = []
        self._heartbeats: dict[str, Callable[[], None]] = {}
        self._to_write: list[DeviceRecord] = []
        self._guard = Guard("write a state")
        self._slices = Slices(loop, self._write_next, self._guard)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Return what ends all writing in slices."""
        return self._slices.async_stop

    @callback
    def async_add(self, entity: DeviceListener) -> None:
        """Let an entity hear of its device."""
        self._devices.setdefault(entity.record, []).append(entity)

    @callback
    def async_remove(self, entity: DeviceListener) -> None:
        """End that: a method, since a callable for each of thousands would take half a kilobyte."""
        self._devices[entity.record].remove(entity)
        if not self._devices[entity.record]:
            del self._devices[entity.record]

    @callback
    def async_add_site(self, changed: Callable[[], None]) -> CALLBACK_TYPE:
        """Let an entity hear of the site as a whole; return what ends that."""
        self._site.append(changed)
        return lambda: self._site.remove(changed)

    @callback
    def async_add_heartbeat(self, record: DeviceRecord, beat: Callable[[], None]) -> CALLBACK_TYPE:
        """Let the one entity of a device that wants it hear of each heartbeat; return what ends that."""
        self._heartbeats[record.key] = beat

        @callback
        def remove() -> None:
            self._heartbeats.pop(record.key, None)

        return remove

    @callback
    def async_heartbeat(self, key: str) -> None:
        """Pass a heartbeat on."""
        if self._heartbeats and (beat := self._heartbeats.get(key)):
            with self._guard:
                beat()

    @callback
    def async_hear(self, change: Change) -> None:
        """Let a device's entities write their states, under its new ids if other hardware goes on as this device."""
        record, kind, key = change
        if kind is ChangeKind.REPLACED and key:
            self._identify(record, key)
        self._write(record)

    @callback
    def async_site_changed(self) -> None:
        """Let the site's own entities write their states."""
        for changed in self._site:
            with self._guard:
                changed()

    @callback
    def async_all_changed(self) -> None:
        """Let all write their states, in slices."""
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
