"""Listeners: the entities that are there now, and which of them hear of a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from homeassistant.core import CALLBACK_TYPE, callback

from .fleet import DeviceRecord
from .slices import Guard, Slices

if TYPE_CHECKING:
    from .entity import DeviceEntity


class Listeners:
    """Entities by what they show: a device's hear of that device only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have none yet."""
        self._devices: dict[DeviceRecord, list[DeviceEntity]] = {}
        self._site: list[Callable[[], None]] = []
        self._heartbeats: dict[str, Callable[[], None]] = {}
        self._to_write: list[DeviceRecord] = []
        self._guard = Guard("write a state")
        self._slices = Slices(loop, self._write_next, self._guard)

    @callback
    def async_add(self, entity: DeviceEntity) -> None:
        """Let an entity hear of its device."""
        self._devices.setdefault(entity.record, []).append(entity)

    @callback
    def async_remove(self, entity: DeviceEntity) -> None:
        """Let it hear no more: asked for, since a callable for each of thousands would take half a kilobyte."""
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
        """Tell of a heartbeat."""
        if self._heartbeats and (beat := self._heartbeats.get(key)):
            with self._guard:
                beat()

    @callback
    def async_device_changed(self, record: DeviceRecord) -> None:
        """Let a device's entities write their states."""
        for entity in self._devices.get(record, ()):
            with self._guard:
                entity.async_write_ha_state()

    @callback
    def async_site_changed(self) -> None:
        """Let the site's own entities write their states."""
        for changed in self._site:
            with self._guard:
                changed()

    @callback
    def async_all_changed(self) -> None:
        """Let all write their states, for no longer than a slice at once."""
        self.async_site_changed()
        self._to_write = list(self._devices)
        self._slices.async_start()

    @callback
    def async_identity_changed(self, record: DeviceRecord, former_key: str) -> None:
        """Let a device's entities take its new ids: other hardware goes on as this device."""
        if beat := self._heartbeats.pop(former_key, None):
            self._heartbeats[record.key] = beat
        for entity in self._devices.get(record, ()):
            with self._guard:
                entity.identify()

    @callback
    def async_stop(self) -> None:
        """Let none write any more."""
        self._slices.async_stop()

    def _write_next(self) -> bool:
        if not self._to_write:
            return False
        self.async_device_changed(self._to_write.pop())
        return True
