"""A field site with a broker of its own, bridged to the central one where Home Assistant is; and the bridge is cut.

With the settings that we recommend (QoS 0, a clean session) what is sent during the cut is lost, and so is nothing that
matters: heartbeats are good for now only. With a bridge that keeps messages, old heartbeats come as new ones when it is
back, and a device that died meanwhile shows as online for one deadline.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

from homeassistant.core import HomeAssistant

from harness.broker import Broker
from harness.cable import Cable
from harness.core import add_site, running_core
from harness.history import History, connectivity_of
from harness.process import LOOPBACK
from simulator.connection import Connection
from simulator.devices import make_devices
from simulator.fleet import Fleet

from .outcome import Outcome

FIELD, NEAR = "sito_field", "sito_near"
OFFLINE_AFTER = 15
INTERVAL = 5.0
IN_SIGHT = make_devices(NEAR, dataloggers=20, gateways=0)
IN_FIELD = make_devices(FIELD, dataloggers=500, gateways=0)
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


async def _cut(settings: tuple[str, ...], *, qos: int, kept: bool) -> Outcome:
    with Broker(settings=("max_queued_messages 0",)) as central:
        async with Cable(central.port) as cable, running_core(central.port) as hass:
            bridge = (
                f"connection central\naddress {LOOPBACK}:{cable.port}",
                *settings,
                *ALWAYS,
                "max_queued_messages 0",
            )
            with (
                Broker(settings=bridge) as outpost,
                Connection(central.host, central.port) as here,
                Connection(outpost.host, outpost.port) as there,
                Fleet(IN_SIGHT, here.publish, interval=INTERVAL, data_every=0),
                Fleet(IN_FIELD, partial(there.publish, qos=qos), interval=INTERVAL, data_every=0) as fleet,
            ):
                return await _watch(hass, fleet, cable, kept=kept)


async def _watch(hass: HomeAssistant, fleet: Fleet, cable: Cable, *, kept: bool) -> Outcome:
    states, events = History(hass, "_connectivity"), History(hass, "_events")
    for site in (NEAR, FIELD):
        await add_site(hass, site, {"offline_after": OFFLINE_AFTER})
    await asyncio.sleep(3 * INTERVAL)
    entity = {device: connectivity_of(hass, device.site, device.key) for device in (*IN_SIGHT, *IN_FIELD)}
    wrong = [f"{device.serial} is not on" for device in IN_FIELD if states.of(entity[device]) != ["on"]]
    dead, living = IN_FIELD[:10], IN_FIELD[10:]
    cable.cut()
    cut = hass.loop.time()
    await asyncio.sleep(INTERVAL)
    fleet.silence(*(device.serial for device in dead))
    await asyncio.sleep(CUT - INTERVAL)
    offline_events = sum(one.event_type == "offline" for one in events.changes)
    if not 1 <= offline_events <= 2:
        wrong.append(f"{offline_events} outage events")
    wrong += [
        f"{one.serial}: {seen} in the cut" for one in IN_FIELD if (seen := states.of(entity[one], cut)) != ["off"]
    ]

    cable.mend()
    back = hass.loop.time()
    await asyncio.sleep(BACK_WITHIN + 3 * OFFLINE_AFTER)
    # a dead one is on for at most one deadline after the flush, and a moment in which that is over
    right = {device: [["on"]] for device in living} | {device: [[], ["on", "off"]][: 1 + kept] for device in dead}
    after = {device: states.of(entity[device], back) for device in IN_FIELD}
    wrong += [f"{one.serial} was {after[one]} after the cut" for one in IN_FIELD if after[one] not in right[one]]
    late = [states.last(entity[device], "on") - back for device in living if after[device] == ["on"]]
    ended = [states.last(entity[device], "off") - states.last(entity[device], "on") for device in dead if after[device]]
    if ended and max(ended) > OFFLINE_AFTER + FLUSH_WITHIN:
        wrong.append(f"dead devices were shown as online for {max(ended):.1f} s")
    wrong += [
        f"{one.serial} of the site without a bridge was {seen}"
        for one in IN_SIGHT
        if (seen := states.of(entity[one])) != ["on"]
    ]
    figures = {
        "devices in the field": len(IN_FIELD),
        "outage events in the cut": offline_events,
        "first and last on after the cut (s)": [round(min(late, default=0), 1), round(max(late, default=0), 1)],
        "dead devices shown as online for a while": len(ended),
        "the longest of them (s)": round(max(ended, default=0), 1),
        "events": Counter(f"{one.entity_id} {one.event_type}" for one in events.changes if one.event_type),
    }
    return Outcome(figures, wrong[:20])
