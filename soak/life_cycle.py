"""Load, unload and remove entries hundreds of times while messages flow, and count what is left behind.

After a reload of MQTT our unsubscribe has no effect, and its client keeps the subscription. So the leftover subscriptions are
counted, and it is checked that they hold nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
import gc
import time
from typing import Any

from homeassistant.components.mqtt.models import DATA_MQTT
from homeassistant.config_entries import ConfigEntry, ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers.debounce import Debouncer

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.protocol import Category
from custom_components.site_devices.site.site import Site
from harness.broker import Broker
from harness.core import add_mqtt, add_site, running_core
from harness.history import History
from harness.waiting import async_until
from simulator.connection import Connection
from simulator.devices import make_devices
from simulator.fleet import Fleet

from .outcome import Outcome

SITE = "sito_001"
DEVICES = 20
INTERVAL = 0.5  # seconds between two heartbeats of a device
OFFLINE_AFTER = 20  # seconds: long enough for a busy machine
TOPICS = 2  # that a site subscribes to
# Timers of Home Assistant, which saves files and tidies the device registry some seconds after a change.
_TIDYING = ("homeassistant.helpers.storage.", "homeassistant.helpers.device_registry.")
STEADY = 3.0  # seconds
SETTLES_WITHIN = 20.0  # seconds; what happened goes out as an event after 10


class Life:
    """A Home Assistant with MQTT and one site, and what is done to them."""

    def __init__(self, hass: HomeAssistant, port: int, entry: ConfigEntry) -> None:
        """Take over what runs."""
        self.hass = hass
        self.entry = entry
        self._port = port
        self._closed: list[tuple[Site, int]] = []  # sites of this turn, and how many messages they have had

    @property
    def site(self) -> Site:
        """The site that is at work."""
        site = self.entry.runtime_data
        assert isinstance(site, Site)
        return site

    async def reload(self) -> None:
        """Reload our entry."""
        await self._close(self.hass.config_entries.async_reload(self.entry.entry_id))

    async def disable(self) -> None:
        """Disable our entry, and enable it again."""
        await self._close(self.hass.config_entries.async_set_disabled_by(self.entry.entry_id, ConfigEntryDisabler.USER))
        await self.hass.config_entries.async_set_disabled_by(self.entry.entry_id, None)

    async def remove(self) -> None:
        """Remove our entry, and add one for the same site."""
        await self._close(self.hass.config_entries.async_remove(self.entry.entry_id))
        self.entry = await add_site(self.hass, SITE, {"offline_after": OFFLINE_AFTER})

    async def reload_mqtt(self) -> None:
        """Reload MQTT's entry."""
        await self.hass.config_entries.async_reload(self._mqtt.entry_id)

    async def disable_mqtt(self) -> None:
        """Disable MQTT's entry, and enable it again."""
        await self.hass.config_entries.async_set_disabled_by(self._mqtt.entry_id, ConfigEntryDisabler.USER)
        await self.hass.config_entries.async_set_disabled_by(self._mqtt.entry_id, None)

    async def remove_mqtt(self) -> None:
        """Remove MQTT's entry, and add one for the same broker."""
        await self.hass.config_entries.async_remove(self._mqtt.entry_id)
        await add_mqtt(self.hass, self._port)

    async def reload_both(self) -> None:
        """Reload MQTT's entry and then ours."""
        await self.reload_mqtt()
        await self.reload()

    async def hear(self) -> None:
        """Wait until the site that is at work hears its devices, and see to it that no other did."""
        since = time.time()
        await async_until(lambda: self._heard(since) == set(Category), poll=0.01)  # both subscriptions are there
        for site, before in self._closed:
            if site.watch.messages != before or site is self.site:
                raise RuntimeError("a closed site was touched")
        self._closed.clear()

    def _heard(self, since: float) -> set[Category]:
        records = self.site.fleet.records.values()
        return {record.category for record in records if record.last_heartbeat and record.last_heartbeat > since}

    def census(self) -> dict[str, Any]:
        """Count what must not grow."""
        gc.collect()
        loop = self.hass.loop
        scheduled = loop._scheduled  # type: ignore[attr-defined]  # noqa: SLF001
        timers = Counter(_name(handle._callback) for handle in scheduled if not handle.cancelled())  # noqa: SLF001
        listeners = Counter(self.hass.bus.async_listeners())
        timers = Counter({name: count for name, count in timers.items() if not name.startswith(_TIDYING)})
        del listeners["homeassistant_final_write"]
        return {
            "tasks": len(asyncio.all_tasks()),
            "timers": dict(sorted(timers.items())),
            "listeners": dict(sorted(listeners.items())),
            "dispatcher": sum(map(len, self.hass.data["dispatcher"].values())),
            "sites": sum(isinstance(thing, Site) for thing in gc.get_objects()),
            "states": len(self.hass.states.async_all()),
        }

    def subscriptions(self) -> tuple[int, int]:
        """Count the subscriptions for the site's messages, and our others."""
        topics = [subscription.topic for subscription in self.hass.data[DATA_MQTT].client.subscriptions]
        return sum(topic.startswith(f"{SITE}/") for topic in topics), sum(f"/{DOMAIN}/" in topic for topic in topics)

    @property
    def _mqtt(self) -> ConfigEntry:
        return self.hass.config_entries.async_entries("mqtt")[0]

    async def _close(self, what: Coroutine[Any, Any, object]) -> None:
        """Do what closes the site, and note how many messages it has had by then."""
        site = self.site
        await what
        self._closed.append((site, site.watch.messages))


def _name(called: Any) -> str:
    if isinstance(debouncer := getattr(called, "__self__", None), Debouncer):
        called = debouncer.function
    return f"{getattr(called, '__module__', '')}.{getattr(called, '__qualname__', repr(called))}"


def life_cycle(turns: int) -> Outcome:
    """Do each of the things so many times; judge what is left behind."""
    return asyncio.run(live(turns))


async def live(turns: int) -> Outcome:
    """Do each of the things so many times, on a broker and with devices of its own."""
    devices = make_devices(SITE, dataloggers=DEVICES // 2, gateways=DEVICES // 2)
    with (
        Broker() as broker,
        Connection(broker.host, broker.port) as connection,
        Fleet(devices, connection.publish, interval=INTERVAL, data_every=5),
    ):
        async with running_core(broker.port) as hass:
            life = Life(hass, broker.port, await add_site(hass, SITE, {"offline_after": OFFLINE_AFTER}))
            await async_until(lambda: len(life.site.fleet.records) == DEVICES)
            return await _take_turns(life, turns)


async def _take_turns(life: Life, turns: int) -> Outcome:
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    history = History(life.hass, "_connectivity")
    acts: list[tuple[Callable[[], Awaitable[None]], int]] = [
        (life.reload, 0),
        (life.disable, 0),
        (life.remove, 0),
        (life.reload_mqtt, 0),
        (life.disable_mqtt, 0),
        (life.remove_mqtt, 0),
        (life.reload_both, 1),
    ]
    before = await _settled(life)
    left = 0  # subscriptions of closed sites
    for act, leaves in acts:
        begun = time.monotonic()
        for _ in range(turns):
            await act()
            await life.hear()
        name = act.__name__
        figures[name] = f"{turns} times, {(time.monotonic() - begun) / turns:.2f} s each"
        left += turns * leaves
        ours, echoes = life.subscriptions()
        if (ours, echoes) != (TOPICS * (1 + left), 1 + left):
            wrong.append(f"after {name}: {ours} subscriptions and {echoes} to echoes, of {left} closed sites")
        wrong += [f"after {name}: {what}" for what in await _difference(life, before)]
    ours, echoes = life.subscriptions()
    figures["subscriptions, to messages and echoes, of which the site at work has 2 and 1"] = f"{ours} and {echoes}"
    figures |= {name: count for name, count in before.items() if isinstance(count, int)}
    wrong += [f"{change.entity_id} was off" for change in history.changes if change.state == "off"]
    return Outcome(figures, wrong)


async def _settled(life: Life) -> dict[str, Any]:
    """Count when all entities are there, and nothing is left to be saved."""
    await life.reload()  # what is made only once is there after that
    await life.hear()
    steady_since, before = time.monotonic(), life.census()
    while time.monotonic() < steady_since + STEADY:
        await asyncio.sleep(0.25)
        if (now := life.census()) != before:
            steady_since, before = time.monotonic(), now
    return before


async def _difference(life: Life, before: dict[str, Any]) -> list[str]:
    """Tell what is more, or less, than before; after a while, since some things end by themselves."""
    with suppress(TimeoutError):
        await async_until(lambda: life.census() == before, within=SETTLES_WITHIN, poll=0.25)
    now = life.census()
    return [f"{name}: {now[name]} instead of {before[name]}" for name in before if now[name] != before[name]]
