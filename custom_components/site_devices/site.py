"""Site: one config entry at work; the only room that knows both the wire and Home Assistant.

A message comes from `subscription`, is read by `protocol` and taken in by `fleet`, which tells what it changed. That goes
to the log, the device pages, the site's counts and events, the store, and the entities of that one device. `deadlines`
brings the changes that silence makes, the same way, when `line` knows that it is the devices' own. What devices report
goes through `data`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
import time
from typing import Final

from homeassistant.components import mqtt
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.translation import async_get_translations

from .arrivals import Arrival, Arrivals
from .causes import Causes
from .const import CONF_SITE_CODE, DOMAIN
from .data import SiteData
from .deadlines import DeadlineTimer
from .echo import Echo
from .events import SiteEvents
from .fleet import Change, ChangeKind, DeviceRecord, Fleet
from .ids import device_path
from .issues import SiteIssues
from .line import Line
from .listeners import Listeners
from .log import SiteLog
from .options import ADD, SiteOptions
from .protocol import Channel, Heartbeat, IgnoreReason, parse
from .registry import DevicePages
from .slices import Guard
from .storage import SiteStore
from .subscription import LOSS_NOTICED_WITHIN, Subscription
from .summary import Summary

type SiteDevicesConfigEntry = ConfigEntry[Site]

_WATCHED_EVERY: Final = timedelta(seconds=10)  # whether the timer for silent devices goes on
_MINUTE: Final = timedelta(minutes=1)
_MINUTES_UNSAVED: Final = 15  # what a power cut may take from "last heartbeat" while nothing else changes
_FLIPS: Final = (ChangeKind.FIRST_ONLINE, ChangeKind.ONLINE, ChangeKind.OFFLINE)


class Site:
    """The devices of one site."""

    def __init__(self, hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> None:
        """Build the rooms; nothing runs yet."""
        self._hass = hass
        self._loop = hass.loop
        self._entry = entry
        self.code: str = entry.data[CONF_SITE_CODE]
        options = SiteOptions.of(entry)
        self.fleet = Fleet(offline_after=options.offline_after, max_devices=options.max_devices)
        self.log = SiteLog(self.code)
        self.listeners = Listeners(hass.loop)
        self.messages = 0  # received since the entry was loaded
        self.pages = DevicePages(
            hass,
            entry.entry_id,
            self.code,
            self.fleet,
            on_muted=self._muted_changed,
            on_deleted=self.async_forget,
        )
        self.summary = Summary(hass.loop, self.fleet, self.listeners.async_site_changed)
        self.events = SiteEvents(hass.loop, self.code, self.pages.identity, self._save)
        self.issues = SiteIssues(hass, entry.entry_id, self.code, self.pages.device_id)
        self._store = SiteStore(hass, entry.entry_id, self.code)
        self.arrivals = Arrivals(hass.loop, self.fleet, self.pages)
        self.data = SiteData(
            hass,
            entry.entry_id,
            self.code,
            self.fleet,
            on_new=self.arrivals.async_add,
            on_learned=self._save,
            on_refused=self._data_refused,
        )
        self.data.async_apply_options(options)
        self._causes = Causes(hass, self.fleet, self.data, self.issues, lambda: self.messages)
        self._echo = Echo(hass, entry, self._echo_received)
        self.line = Line()
        self._deadlines = DeadlineTimer(
            hass.loop,
            self.fleet,
            self.line,
            ask=self._ask_for_echo,
            apply=self._apply,
            messages=lambda: self.messages,
        )
        self.subscription = Subscription(
            hass,
            on_message=self._message_received,
            on_listening=self._listening_changed,
            on_lost=self.listeners.async_all_changed,
        )
        self._unsubscribe: list[CALLBACK_TYPE] = []
        self._minutes_unsaved = 0
        self._guard = Guard("show what has changed")

    # Life

    async def async_load(self) -> None:
        """Know again what an earlier run knew.

        Raises:
            ConfigEntryNotReady: What is stored can't be read at present.

        """
        self.issues.async_set_store_lost(await self._store.async_load(self.fleet))
        self._accept_new()
        await self.data.async_start()
        self._unsubscribe.append(self.pages.async_start())
        self.summary.async_start()
        texts = await async_get_translations(self._hass, self._hass.config.language, "common", {DOMAIN})
        texts = {key.removeprefix(f"component.{DOMAIN}.common."): text for key, text in texts.items()}
        self.events.async_start(texts, allowed=self.monitoring)

    async def async_start(self) -> None:
        """Listen.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """
        self._unsubscribe += [
            async_track_time_interval(self._hass, self._minute_over, _MINUTE, cancel_on_shutdown=True),
            async_track_time_interval(self._hass, self._watch, _WATCHED_EVERY, cancel_on_shutdown=True),
            self._hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._home_assistant_stops),
        ]
        await self.subscription.async_start([f"{self.code}/datalogger/+/+/+", f"{self.code}/gateway/+/+"])
        await self._echo.async_start()

    async def async_stop(self) -> None:
        """Stop listening and judging, flush the events while their entity is there, then stop everything else."""
        self.subscription.async_stop()
        self._echo.async_stop()
        self.fleet.pause(self._loop.time())
        self._deadlines.async_stop()
        while self._unsubscribe:
            self._unsubscribe.pop()()
        await self.events.async_flush()
        self.events.async_stop()
        self.arrivals.async_stop()
        self.pages.async_stop()
        self.data.async_stop()
        self.summary.async_stop()
        self.listeners.async_stop()
        self._causes.async_stop()
        self.issues.async_stop()
        self.log.minute_over()

    async def async_save(self) -> None:
        """Save for the last time."""
        await self._store.async_close(self.fleet)

    @callback
    def async_apply_options(self) -> None:
        """Apply the entry's options in place."""
        options = SiteOptions.of(self._entry)
        self._accept_new()
        self.fleet.set_site_offline_after(options.offline_after)
        self._deadlines.async_arm()
        self.data.async_apply_options(options)
        self._causes.async_look()

    # What entities ask and hear

    @property
    def available(self) -> bool:
        """Tell whether what is known of the devices may still be true."""
        return self.monitoring and not self.subscription.lost

    @property
    def monitoring(self) -> bool:
        """Tell whether the site is monitored, or switched off for planned work."""
        return self._store.monitoring

    # What the user does

    @callback
    def async_set_monitoring(self, monitoring: bool) -> None:
        """Judge, discover and tell from now on, or do not; the messages of known devices are taken in either way."""
        if monitoring is self.monitoring:
            return
        self._store.monitoring = monitoring
        self._accept_new()
        self.events.async_allow(monitoring)
        self._judge_from(self._loop.time())
        self.listeners.async_all_changed()
        self._save()

    @callback
    def async_set_offline_after(self, records: Iterable[DeviceRecord], seconds: int | None) -> None:
        """Give devices a deadline of their own, or (None) the site's again."""
        self.fleet.set_offline_after([record.key for record in records], seconds)
        self._deadlines.async_arm()
        self._save()

    @callback
    def async_forget(self, record: DeviceRecord) -> None:
        """Delete a device whose page is being deleted."""
        changes = self.fleet.remove(record.key)
        self.events.async_forget(record)
        self.arrivals.async_forget(record)
        self.pages.async_forget(record)
        self.data.async_forget(record)
        self._apply(changes)
        self._causes.async_look()

    @callback
    def async_remove(self, record: DeviceRecord) -> None:
        """Delete a device, its page and its entities."""
        self.pages.async_remove(record)
        self.async_forget(record)

    @callback
    def async_replace(self, old: DeviceRecord, new: DeviceRecord) -> None:
        """Let new hardware go on as the device that it replaces, with that one's page, entities and history."""
        former_key, former_path = old.key, device_path(self.code, old)
        self.events.async_forget(new)
        self.arrivals.async_forget(new)
        self.pages.async_remove(new)
        self.data.async_forget(new)
        changes = self.fleet.replace(old, new)
        self.pages.async_replace(old, former_path)
        self.listeners.async_identity_changed(old, former_key)
        self._apply(changes)
        self._causes.async_look()

    # What comes in

    @callback
    def _message_received(self, received: mqtt.ReceiveMessage) -> None:
        self.messages += 1
        now = self._loop.time()
        if self.line.message(now) and not self.fleet.paused:
            self._echo.async_send(self.line.probe(now))
        message = parse(received.topic, received.payload, received.retain)  # type: ignore[arg-type]  # without encoding: bytes
        if isinstance(message, Heartbeat):
            outcome = self.fleet.heartbeat(message, now=now, wall=time.time())
            if isinstance(outcome, IgnoreReason):
                self._ignored(outcome, received.topic)
                return
            if outcome:
                self._apply(outcome)
            if len(message.data) - (message.timestamp is not None) > 1:  # more than a serial and a time
                self.data.async_take(self.fleet.records[message.key], Channel.HEARTBEAT, message.data)
            self.listeners.async_heartbeat(message.key)
        elif isinstance(message, IgnoreReason):
            self._ignored(message, received.topic)
        else:
            taken = self.fleet.report(message, wall=time.time())
            if isinstance(taken, IgnoreReason):
                self._ignored(taken, received.topic)
            else:
                self.data.async_take(taken, message.channel, message.data)

    def _ignored(self, reason: IgnoreReason, topic: str) -> None:
        self.log.message_ignored(reason, topic)
        if reason is IgnoreReason.FULL:
            self._causes.async_device_refused()

    @callback
    def _ask_for_echo(self) -> None:
        self._echo.async_send(self.line.ask(self._loop.time()))

    @callback
    def _echo_received(self, number: int) -> None:
        self.line.echo(number, self._loop.time())
        self._deadlines.async_look()

    @callback
    def _listening_changed(self) -> None:
        now = self._loop.time()
        if self.subscription.listening:
            self.line.connected(now, LOSS_NOTICED_WITHIN)
            self._judge_from(now)
        else:
            self._judge_from(self.line.lost(now))
            self._causes.async_connection_lost()

    def _judge_from(self, since: float) -> None:
        """Judge silence while the site can be heard and is monitored; `since` is when that changed (monotonic)."""
        if self.subscription.listening and self.monitoring:
            self.fleet.resume(since)
            self.events.async_review(self.fleet.records.values(), self.fleet.offline_after)
            self._causes.async_listening(since)
            self._save()
        else:
            self.fleet.pause(since)
            self._causes.async_listening(None)
        self._deadlines.async_arm()

    def _accept_new(self) -> None:
        self.fleet.accept_new = self.monitoring and SiteOptions.of(self._entry).new_devices == ADD

    @callback
    def _muted_changed(self, record: DeviceRecord) -> None:
        self.summary.async_changed()
        self.events.async_review((record,), self.fleet.offline_after)
        self._causes.async_look()

    @callback
    def _data_refused(self) -> None:
        self._causes.async_look()

    # What goes out

    def _apply(self, changes: Sequence[Change]) -> None:
        """Show changes everywhere."""
        for change in changes:
            with self._guard:
                self._apply_one(change)
        self.summary.async_changed()
        self._save()

    def _apply_one(self, change: Change) -> None:
        record, kind = change
        if record.online:
            self._deadlines.async_arm_by(self.fleet.deadline(record))
        self.log.changes((change,))
        self.events.async_changes((change,), self.fleet.offline_after)
        if kind in _FLIPS or kind is ChangeKind.REPLACED:
            self.listeners.async_device_changed(record)
        match kind:
            case ChangeKind.DISCOVERED:
                self._causes.async_device_accepted()
                self.arrivals.async_add(Arrival(record))
            case ChangeKind.DESCRIBED | ChangeKind.MOVED:
                self.pages.async_describe(record)
            case ChangeKind.CONFLICT | ChangeKind.CONFLICT_ENDED:
                self._causes.async_look()
                self._deadlines.async_arm()

    @callback
    def _save(self) -> None:
        self._store.async_schedule_save(self.fleet)

    @callback
    def _minute_over(self, _now: datetime) -> None:
        self.log.minute_over()
        self.pages.async_minute_over()
        self.data.async_minute_over()
        self._causes.async_look()
        self._minutes_unsaved += 1
        if self._minutes_unsaved == _MINUTES_UNSAVED:
            self._minutes_unsaved = 0
            self._save()

    @callback
    def _watch(self, _now: datetime) -> None:
        self._deadlines.async_watch()

    async def _home_assistant_stops(self, _event: Event) -> None:
        try:
            await self.async_stop()
        finally:
            self._store.async_schedule_final_save(self.fleet)
