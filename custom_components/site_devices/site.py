"""Site: one config entry at work; the only room that knows both the wire and Home Assistant.

A message comes from `subscription`, is read by `protocol` and taken in by `fleet`, which tells what it changed. That goes
to the log, the device pages, the store and the entities of that one device. `deadlines` brings the changes that silence
makes, the same way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
import time
from typing import Any, Final

from homeassistant.components.mqtt.models import ReceiveMessage
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval

from .arrivals import AddArrivals, Arrival, Arrivals
from .const import (
    CONF_SITE_CODE,
    DEFAULT_DATA_ENTITIES,
    DEFAULT_DATA_INTERVAL,
    DEFAULT_MAX_DEVICES,
    DEFAULT_NEW_DEVICES,
    DEFAULT_OFFLINE_AFTER,
    NEW_DEVICES_ADD,
    OPT_DATA_ENTITIES,
    OPT_DATA_INTERVAL,
    OPT_MAX_DEVICES,
    OPT_NEW_DEVICES,
    OPT_OFFLINE_AFTER,
)
from .data import SiteData
from .deadlines import SLICE, DeadlineTimer
from .fleet import Change, ChangeKind, DeviceRecord, Fleet
from .issues import SiteIssues
from .log import SiteLog
from .protocol import Channel, Heartbeat, IgnoreReason, parse
from .registry import DevicePages
from .storage import SiteStore
from .subscription import Subscription

type SiteDevicesConfigEntry = ConfigEntry[Site]

_MINUTE: Final = timedelta(minutes=1)
_MINUTES_UNSAVED: Final = 15  # what a power cut may take from "last heartbeat" while nothing else changes
_FLIPS: Final = (ChangeKind.FIRST_ONLINE, ChangeKind.ONLINE, ChangeKind.OFFLINE)


class Site:
    """The devices of one site."""

    def __init__(self, hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> None:
        """Build the rooms; nothing runs yet."""
        self._hass = hass
        self._loop = hass.loop
        self.entry = entry
        self.code: str = entry.data[CONF_SITE_CODE]
        self.fleet = Fleet(**_fleet_options(entry.options))
        self.log = SiteLog(self.code)
        self.messages = 0  # received since the entry was loaded
        self._store = SiteStore(hass, entry.entry_id)
        self._pages = DevicePages(hass, entry.entry_id, self.code, self.fleet)
        self._arrivals = Arrivals(hass.loop, self._pages)
        self._issues = SiteIssues(hass, entry.entry_id, self.code)
        self.data = SiteData(
            hass,
            entry.entry_id,
            self.fleet,
            self._issues,
            on_new=self._arrivals.async_add,
            on_learned=lambda: self._store.async_schedule_save(self.fleet),
        )
        self._deadlines = DeadlineTimer(hass.loop, self.fleet, self._apply, lambda: self.messages)
        self._subscription = Subscription(
            hass,
            on_message=self._message_received,
            on_listening=self._listening_changed,
            on_lost=self._availability_changed,
        )
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._heartbeat_listeners: dict[str, Callable[[], None]] = {}
        self._unsubscribe: list[CALLBACK_TYPE] = []
        self._minutes_unsaved = 0
        self.async_apply_options()

    # Life

    async def async_load(self) -> None:
        """Know again what an earlier run knew."""
        await self._store.async_load(self.fleet)
        for record in self.fleet.records.values():
            self._pages.async_create(record)

    async def async_start(self) -> None:
        """Listen.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """
        self._unsubscribe += [
            async_track_time_interval(self._hass, self._minute_over, _MINUTE, cancel_on_shutdown=True),
            self._hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._home_assistant_stops),
        ]
        await self._subscription.async_start([f"{self.code}/datalogger/+/+/+", f"{self.code}/gateway/+/+"])

    async def async_stop(self) -> None:
        """Hear, time and tell nothing any more, and save."""
        self._silence()
        await self._store.async_save(self.fleet)


    @callback
    def async_apply_options(self) -> None:
        """Apply the entry's options in place."""
        options = _fleet_options(self.entry.options)
        self.fleet.max_devices = options["max_devices"]
        self.fleet.accept_new = options["accept_new"]
        self.fleet.set_site_offline_after(options["offline_after"])
        self._deadlines.async_arm()
        self.data.async_apply_options(
            enabled=self.entry.options.get(OPT_DATA_ENTITIES, DEFAULT_DATA_ENTITIES),
            interval=self.entry.options.get(OPT_DATA_INTERVAL, DEFAULT_DATA_INTERVAL),
        )

    # What entities ask and hear

    @property
    def available(self) -> bool:
        """Tell whether what is known of the devices may still be true."""
        return not self._subscription.lost

    @callback
    def async_on_arrival(self, add: AddArrivals) -> None:
        """Call a platform with what is known so far, and then with what is new."""
        known = [Arrival(record) for record in self.fleet.records.values()]
        known += [
            Arrival(record, key)
            for record in self.fleet.records.values()
            for key, point in record.data.items()
            if not point.removed
        ]
        add(known)
        self._arrivals.async_on_arrival(add)

    @callback
    def async_add_listener(self, record: DeviceRecord, changed: Callable[[], None]) -> CALLBACK_TYPE:
        """Call an entity whenever its device has changed; return what ends that."""
        listeners = self._listeners.setdefault(record.key, [])
        listeners.append(changed)
        return lambda: listeners.remove(changed)

    @callback
    def async_add_heartbeat_listener(self, record: DeviceRecord, beat: Callable[[], None]) -> CALLBACK_TYPE:
        """Call the one entity of a device that wants it at each heartbeat; return what ends that."""
        self._heartbeat_listeners[record.key] = beat
        return lambda: self._heartbeat_listeners.pop(record.key)

    # What comes in

    @callback
    def _message_received(self, received: ReceiveMessage) -> None:
        self.messages += 1
        message = parse(received.topic, received.payload, received.retain)
        if isinstance(message, IgnoreReason):
            self.log.message_ignored(message, received.topic)
            return
        if not isinstance(message, Heartbeat):
            taken = self.fleet.report(message, wall=time.time())
            if isinstance(taken, IgnoreReason):
                self.log.message_ignored(taken, received.topic)
            else:
                self.data.async_take(taken, message.channel, message.data)
            return
        outcome = self.fleet.heartbeat(message, now=self._loop.time(), wall=time.time())
        if isinstance(outcome, IgnoreReason):
            self.log.message_ignored(outcome, received.topic)
            return
        if outcome:
            self._apply(outcome)
        if len(message.data) - (message.timestamp is not None) > 1:  # more than a serial and a time
            self.data.async_take(self.fleet.records[message.key], Channel.HEARTBEAT, message.data)
        if self._heartbeat_listeners and (listener := self._heartbeat_listeners.get(message.key)):
            listener()

    @callback
    def _listening_changed(self) -> None:
        if self._subscription.listening:
            self.fleet.resume(self._loop.time())
        else:
            self.fleet.pause()
        self._deadlines.async_arm()

    @callback
    def _availability_changed(self) -> None:
        self._write_in_slices(deque(self._listeners))

    # What goes out

    def _apply(self, changes: Sequence[Change]) -> None:
        self.log.changes(changes)
        for record, kind in changes:
            match kind:
                case ChangeKind.DISCOVERED:
                    self._arrivals.async_add(Arrival(record))
                case ChangeKind.DESCRIBED | ChangeKind.MOVED:
                    self._pages.async_describe(record)
                case ChangeKind.CONFLICT:
                    self._deadlines.async_arm()
            if record.online:
                self._deadlines.async_arm_by(self.fleet.deadline(record))
            if kind in _FLIPS:
                self._notify(record.key)
        self._store.async_schedule_save(self.fleet)

    def _notify(self, key: str) -> None:
        for listener in self._listeners.get(key, ()):
            listener()

    def _write_in_slices(self, keys: deque[str]) -> None:
        slice_end = self._loop.time() + SLICE
        while keys and not self._subscription.closed:
            if self._loop.time() >= slice_end:
                self._loop.call_soon(self._write_in_slices, keys)
                return
            self._notify(keys.popleft())

    @callback
    def _minute_over(self, _now: datetime) -> None:
        self.log.minute_over()
        self._pages.async_minute_over()
        self._minutes_unsaved += 1
        if self._minutes_unsaved == _MINUTES_UNSAVED:
            self._minutes_unsaved = 0
            self._store.async_schedule_save(self.fleet)

    @callback
    def _home_assistant_stops(self, _event: Event) -> None:
        self._silence()
        self._store.async_schedule_final_save(self.fleet)

    def _silence(self) -> None:
        self._subscription.async_stop()
        self._deadlines.async_stop()
        self._arrivals.async_stop()
        self.data.async_stop()
        self._issues.async_clear()
        while self._unsubscribe:
            self._unsubscribe.pop()()


def _fleet_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "offline_after": options.get(OPT_OFFLINE_AFTER, DEFAULT_OFFLINE_AFTER),
        "max_devices": options.get(OPT_MAX_DEVICES, DEFAULT_MAX_DEVICES),
        "accept_new": options.get(OPT_NEW_DEVICES, DEFAULT_NEW_DEVICES) == NEW_DEVICES_ADD,
    }
