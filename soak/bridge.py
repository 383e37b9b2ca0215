"""A field site with a broker of its own, bridged to the central one where Home Assistant is; and the bridge is cut.

With the settings that we recommend (QoS 0, a clean session) what is sent during the cut is lost, and so is nothing that
matters: heartbeats are good for now only. With a bridge that keeps messages, old heartbeats come as new ones when it is
back, and a device that died meanwhile shows as online for one deadline.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
import time
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from demo.broker import Broker
from simulator.connection import Connection
from simulator.devices import Device, make_devices
from simulator.fleet import Fleet

from .cable import Cable
from .core import Lines, add_site, running_core
from .outcome import Outcome

FIELD, NEAR = "sito_field", "sito_near"
OFFLINE_AFTER = 15
INTERVAL = 5.0
DEVICES = 500  # in the field
CUT = 45.0  # seconds
BACK_WITHIN = 15.0  # seconds; the bridge tries again after 1 to 3
FLUSH_WITHIN = 5.0  # seconds from the first to the last of the messages that a bridge has kept
# lines of mosquitto.conf in the field; the address comes first
RECOMMENDED = ("topic # out 0", "cleansession true")
KEEPING = ("topic # out 1", "cleansession false")
ALWAYS = ("notifications false", "keepalive_interval 15", "restart_timeout 1 3", "bridge_protocol_version mqttv311")


def recommended() -> Outcome:
    """Cut a bridge with the settings that we recommend."""
    return asyncio.run(_cut(RECOMMENDED, qos=0, kept=False))


def keeping() -> Outcome:
    """Cut a bridge that keeps messages for the time after."""
    return asyncio.run(_cut(KEEPING, qos=1, kept=True))


class History:
    """When connectivity sensors changed, by serial number, and how many events came of each type."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Watch from now on."""
        self.events: Counter[str] = Counter()
        self._changes: list[tuple[float, str, str]] = []
        self._registry = er.async_get(hass)
        hass.bus.async_listen("state_changed", self._changed)

    def states(self, site: str, serial: str, since: float = 0.0) -> list[str]:
        """Return the states of a device since a time of the monotonic clock, without repetitions."""
        return [state for at, path, state in self._changes if at >= since and path == f"{site}/{serial}"]

    def last(self, site: str, serial: str, state: str) -> float:
        """Return when a device last took a state."""
        return max(at for at, path, became in self._changes if path == f"{site}/{serial}" and became == state)

    def _changed(self, event: Any) -> None:
        new, old = event.data["new_state"], event.data["old_state"]
        row = self._registry.async_get(event.data["entity_id"])
        if new and row and row.unique_id.endswith("/events") and new.attributes.get("event_type"):
            self.events[f"{row.unique_id} {new.attributes['event_type']}"] += 1
        elif new and row and row.unique_id.count("/") == 3 and row.unique_id.endswith("/connectivity"):
            if old is None or old.state != new.state:
                site, _, serial, _ = row.unique_id.split("/")
                self._changes.append((time.monotonic(), f"{site}/{serial}", new.state))


async def _cut(settings: tuple[str, ...], *, qos: int, kept: bool) -> Outcome:
    lines = Lines()
    near, field = _devices(NEAR, 20), _devices(FIELD, DEVICES)
    with Broker(settings=("max_queued_messages 0",)) as central, Cable(central.port) as cable:
        bridge = (f"connection central\naddress 127.0.0.1:{cable.port}", *settings, *ALWAYS, "max_queued_messages 0")
        with (
            Broker(settings=bridge) as outpost,
            Connection(central.host, central.port) as here,
            Connection(outpost.host, outpost.port) as there,
            Fleet(near, here.publish, interval=INTERVAL, data_every=0),
            Fleet(field, partial(there.publish, qos=qos), interval=INTERVAL, data_every=0) as fleet,
        ):
            async with running_core(central.port) as hass:
                history = History(hass)
                for site in (NEAR, FIELD):
                    await add_site(hass, site, {"offline_after": OFFLINE_AFTER})
                return await _watch(history, fleet, cable, near, field, lines, kept=kept)


async def _watch(
    history: History, fleet: Fleet, cable: Cable, near: list[Device], field: list[Device], lines: Lines, *, kept: bool
) -> Outcome:
    await asyncio.sleep(3 * INTERVAL)
    wrong = [f"{device.serial} is not on" for device in field if history.states(FIELD, device.serial) != ["on"]]
    dead = [device.serial for device in field[:10]]
    cable.cut()
    cut = time.monotonic()
    await asyncio.sleep(INTERVAL)
    fleet.silence(*dead)
    await asyncio.sleep(CUT - INTERVAL)
    offline_events = history.events[f"{FIELD}/events offline"]
    if not 1 <= offline_events <= 2:
        wrong.append(f"{offline_events} outage events")
    wrong += [
        f"{one.serial}: {states} in the cut"
        for one in field
        if (states := history.states(FIELD, one.serial, cut)) != ["off"]
    ]

    cable.mend()
    back = time.monotonic()
    await asyncio.sleep(BACK_WITHIN + 3 * OFFLINE_AFTER)
    late = []
    for device in field:
        states = history.states(FIELD, device.serial, back)
        if device.serial in dead:
            # at most one deadline after the flush, and a moment in which that is over
            if states not in ([], ["on", "off"]) if kept else states:
                wrong.append(f"{device.serial}, dead, was {states} after the cut")
        elif states != ["on"]:
            wrong.append(f"{device.serial} was {states} after the cut")
        else:
            late.append(history.last(FIELD, device.serial, "on") - back)
    ghosts = [serial for serial in dead if history.states(FIELD, serial, back)]
    ended = [history.last(FIELD, serial, "off") - history.last(FIELD, serial, "on") for serial in ghosts]
    if ended and max(ended) > OFFLINE_AFTER + FLUSH_WITHIN:
        wrong.append(f"dead devices were shown as online for {max(ended):.1f} s")
    wrong += [
        f"{one.serial} of the site without a bridge was {states}"
        for one in near
        if (states := history.states(NEAR, one.serial)) != ["on"]
    ]
    figures = {
        "devices in the field": len(field),
        "outage events in the cut": offline_events,
        "first and last on after the cut (s)": [round(min(late, default=0), 1), round(max(late, default=0), 1)],
        "dead devices shown as online for a while": len(ghosts),
        "the longest of them (s)": round(max(ended, default=0), 1),
        "events": dict(history.events),
    }
    return Outcome(figures, wrong[:20] + lines.bad)


def _devices(site: str, count: int) -> list[Device]:
    return make_devices(site, dataloggers=count, gateways=0)
