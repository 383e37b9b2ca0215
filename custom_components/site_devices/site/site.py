"""Site: one loaded config entry. It connects the modules of `core` and `site`, and decides nothing itself.

In: MQTT messages through `subscription`, which `protocol` parses and `fleet` applies; overdue deadlines from `watch`;
new data points from `data`; actions of the user from the top level. Out: every resulting `Change`, to those of
`_readers` that handle its kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
import time
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.translation import async_get_translations

from ..const import CONF_SITE_CODE, DOMAIN
from ..core.device import Change, DeviceRecord
from ..core.fleet import Fleet
from ..core.protocol import Channel, Heartbeat, IgnoreReason, parse
from .arrivals import Arrivals
from .counts import SiteCounts
from .data_entities import DataEntities
from .digest import Digest
from .echo import Echo
from .issues import SiteIssues
from .listeners import Listeners
from .log import SiteLog
from .options import ADD, SiteOptions
from .pages import Pages
from .readers import Readers
from .storage import SiteStore
from .subscription import LOSS_NOTICED_WITHIN, Subscription
from .watch import Watch

type SiteDevicesConfigEntry = ConfigEntry[Site]

_CHECKED_EVERY: Final = timedelta(seconds=10)  # whether the timer for silent devices still runs
_MINUTE: Final = timedelta(minutes=1)


class Site:
    """The devices of one site."""

    def __init__(self, hass: HomeAssistant, entry: SiteDevicesConfigEntry) -> None:
        """Connect the modules; nothing runs yet."""
        self.code: str = entry.data[CONF_SITE_CODE]
        self.monitoring = True  # the position of the switch
        self.closed = False
        self._hass = hass
        self._loop = hass.loop
        self._entry = entry
        options = SiteOptions.of(entry)
        self.fleet = fleet = Fleet(offline_after=options.offline_after, max_devices=options.max_devices)
        self.log = SiteLog(self.code)
        self.listeners = Listeners(hass.loop)
        self.counts = SiteCounts(hass.loop, fleet, self.listeners.async_site_changed)
        self.pages = Pages(hass, entry.entry_id, self.code, fleet, self._dispatch)
        self.arrivals = Arrivals(hass.loop, fleet, self.pages)
        self.data = DataEntities(hass, entry.entry_id, self.code, fleet, self._dispatch)
        self.data.async_apply_options(options)
        self._store = SiteStore(hass, entry.entry_id, self.code, fleet, lambda: self.monitoring)
        self.digest = Digest(hass.loop, self.code, fleet, self.pages.identity, on_told=self._store.async_schedule_save)
        self._echo = Echo(hass, entry)
        self.watch = Watch(hass.loop, fleet, send_echo=self._echo.async_send, dispatch=self._dispatch)
        self.issues = SiteIssues(
            hass, entry.entry_id, self.code, fleet, self.data, self.pages.device_id, lambda: self.watch.silent_since
        )
        self.subscription = Subscription(
            hass,
            on_message=self._message_received,
            on_listening=self._listening_changed,
            on_lost=self.listeners.async_all_changed,
        )
        self._readers = Readers(
            self.watch,
            self.log,
            self.digest,
            self.pages,
            self.arrivals,
            self.data,
            self.listeners,
            self.issues,
            self.counts,
            self._store,
        )
        self._ends = AsyncExitStack()
        self._ending = asyncio.Lock()

    # Start and stop

    async def async_load(self) -> None:
        """Restore what the last run stored.

        Raises:
            ConfigEntryNotReady: The store file can't be read at present.

        """
        self.monitoring, put_aside = await self._store.async_load()
        if put_aside:
            self.issues.async_set_store_lost(put_aside)
        self._accept_new()
        texts = await async_get_translations(self._hass, self._hass.config.language, "common", {DOMAIN})
        texts = {key.removeprefix(f"component.{DOMAIN}.common."): text for key, text in texts.items()}
        self._ends.callback(self.log.minute_over)  # logs the rest of the last minute
        for module in (self.issues, self.listeners, self.arrivals):
            self._ends.callback(module.async_start())
        self._ends.callback(await self.data.async_start())
        self._ends.callback(self.pages.async_start())
        self._ends.callback(self.counts.async_start())
        self._ends.push_async_callback(self.digest.async_start(texts, allowed=self.monitoring))

    async def async_start(self) -> None:
        """Start the timers and subscribe.

        Raises:
            HomeAssistantError: MQTT is disabled.

        """
        for every, action in ((_MINUTE, self._minute_over), (_CHECKED_EVERY, self.watch.async_check)):
            self._ends.callback(async_track_time_interval(self._hass, action, every, cancel_on_shutdown=True))
        self._ends.callback(self._hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, self._home_assistant_stops))
        self._ends.callback(self.watch.async_stop)
        topics = [f"{self.code}/datalogger/+/+/+", f"{self.code}/gateway/+/+"]
        self._ends.callback(await self.subscription.async_start(topics))
        self._ends.callback(await self._echo.async_start(self.watch.async_echo))

    async def async_stop(self) -> None:
        """Stop what was started, in reverse: subscriptions and timers, then flush pending events, then the rest."""
        self.closed = True
        async with self._ending:  # Home Assistant may stop while the entry is unloaded
            await self._ends.aclose()

    async def async_save(self) -> None:
        """Save a last time and close the store."""
        await self._store.async_close()

    @callback
    def async_apply_options(self) -> None:
        """Apply the entry's options in place."""
        options = SiteOptions.of(self._entry)
        self._accept_new()
        self.fleet.set_site_offline_after(options.offline_after)
        self.watch.async_arm()
        self.data.async_apply_options(options)
        self.issues.async_check()

    @property
    def available(self) -> bool:
        """Whether what is known about the devices is up to date."""
        return self.monitoring and not self.subscription.lost

    # Actions of the user

    @callback
    def async_set_monitoring(self, monitoring: bool) -> None:
        """Apply deadlines, discover devices and send events, or stop that; known devices' data is shown anyway."""
        if monitoring is self.monitoring:
            return
        self.monitoring = monitoring
        self._accept_new()
        self.digest.async_allow(monitoring)
        self._resume_or_pause(self._loop.time())
        self.listeners.async_all_changed()
        self._store.async_schedule_save()

    @callback
    def async_set_offline_after(self, records: Iterable[DeviceRecord], seconds: int | None) -> None:
        """Set the devices' own deadline, or (None) the site's."""
        self.fleet.set_offline_after([record.key for record in records], seconds)
        self.watch.async_arm()
        self._store.async_schedule_save()

    @callback
    def async_remove(self, record: DeviceRecord) -> None:
        """Delete a device, its page and its entities."""
        self._dispatch(self.fleet.remove(record.key))

    @callback
    def async_replace(self, old: DeviceRecord, new: DeviceRecord) -> None:
        """Continue an old device with new hardware, keeping its page, entities and history."""
        self._dispatch(self.fleet.replace(old, new))

    def _accept_new(self) -> None:
        self.fleet.accept_new = self.monitoring and SiteOptions.of(self._entry).new_devices == ADD

    # Input

    @callback
    def _message_received(self, topic: str, payload: bytes, retained: bool) -> None:
        now = self._loop.time()
        self.watch.async_message(now)
        message = parse(topic, payload, retained)
        if isinstance(message, Heartbeat):
            changes = self.fleet.heartbeat(message, now=now, wall=time.time())
            if isinstance(changes, IgnoreReason):
                self._ignored(changes, topic)
                return
            if changes:
                self._dispatch(changes)
            if len(message.data) - (message.timestamp is not None) > 1:  # more than serial and timestamp
                self.data.async_take(self.fleet.records[message.key], Channel.HEARTBEAT, message.data)
            self.listeners.async_heartbeat(message.key)
        elif isinstance(message, IgnoreReason):
            self._ignored(message, topic)
        else:
            record = self.fleet.report(message, wall=time.time())
            if isinstance(record, IgnoreReason):
                self._ignored(record, topic)
            else:
                self.data.async_take(record, message.channel, message.data)

    def _ignored(self, reason: IgnoreReason, topic: str) -> None:
        self.log.message_ignored(reason, topic)
        if reason is IgnoreReason.FULL:
            self.issues.async_device_refused()

    @callback
    def _listening_changed(self) -> None:
        if self.subscription.listening:
            self._resume_or_pause(self.watch.async_connected(LOSS_NOTICED_WITHIN))
        else:
            self._resume_or_pause(self.watch.async_lost())
            self.issues.async_connection_lost()

    def _resume_or_pause(self, since: float) -> None:
        """Apply deadlines while the site is heard and monitored; `since` is when that changed (monotonic)."""
        if self.subscription.listening and self.monitoring:
            self.watch.async_resume(since)
            self.digest.async_review()
            self._store.async_schedule_save()
        else:
            self.watch.async_pause(since)

    def _dispatch(self, changes: Sequence[Change]) -> None:
        self._readers.async_dispatch(changes)

    @callback
    def _minute_over(self, _now: datetime) -> None:
        self.log.minute_over()
        self.pages.async_minute_over()
        self.data.async_minute_over()
        self.issues.async_check()
        self._store.async_minute_over()

    async def _home_assistant_stops(self, _event: Event) -> None:
        try:
            await self.async_stop()
        finally:
            self._store.async_schedule_final_save()
