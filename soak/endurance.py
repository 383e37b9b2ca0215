"""A day of a thousand devices in minutes: nothing grows, and every message is accounted for.

The event loop's clock, and with it the wall clock, jumps to the next timer whenever there is nothing to do. Messages are
handed to Home Assistant's MQTT client as its library would hand them over; the connection itself is a real one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
import gc
import json
import logging
from pathlib import Path
from random import Random
import sys
import tracemalloc
from typing import Any

from homeassistant.components.mqtt.models import DATA_MQTT
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from paho.mqtt.client import MQTTMessage

from harness.broker import Broker
from harness.core import add_site, running_core
from simulator.devices import make_devices
from simulator.schedule import Schedule

from .core import Lines
from .jumping import JumpingLoop

SITE = "sito_001"
INTERVAL = 60.0  # seconds between two heartbeats of a device, up to a tenth more
OFFLINE_AFTER = 150
DATA_EVERY = 5  # heartbeats
# Seconds from the start in which data comes with every heartbeat. Each write of a cached property of Home Assistant deletes a
# key of the entity's dict and inserts it again; after some dozens the dict has doubled, once and for all. By then all have.
WARM_UP = 7_200.0
STEP = 1.0  # seconds between two looks at who is due
JUNK_EVERY = 60.0  # seconds: a message that is to be ignored
CHURN_EVERY = 1_200.0  # seconds: some devices fall silent, for half of that
CHURN = 5  # in so many turns every device has been silent once, so that all that is made at a first flip is there
SAMPLE_EVERY = 3_600.0  # seconds
SETTLED = 4  # hours, from which on nothing may grow
WHOLE = 24  # hours, from which on that is judged: in less the caches of Home Assistant are still filling
SLOPE = 1.0  # KB an hour


class Day:
    """The fleet, the book of what it sent, and what Home Assistant has made of it."""

    def __init__(self, hass: HomeAssistant, loop: JumpingLoop, count: int) -> None:
        """Prepare the fleet; nothing is sent."""
        self.devices = make_devices(SITE, dataloggers=count - count // 20, gateways=count // 20)
        self.sent: Counter[str] = Counter()
        self.flips: Counter[str] = Counter()
        self.expected: Counter[str] = Counter(off=0, on=0)
        self.values: dict[str, int] = {}
        self.silent: set[int] = set()
        self.samples: list[dict[str, Any]] = []
        self._hass = hass
        self._loop = loop
        self._client = hass.data[DATA_MQTT].client
        self._chance = Random(11)
        self._turns = [1_000] * count  # small integers take no memory, and that they do later would look like growth
        self._churned = 0
        self._begun = loop.time()
        self._schedule = Schedule(count, start=self._begun, interval=INTERVAL, jitter=0.1, chance=self._chance)
        hass.bus.async_listen("state_changed", self._changed)

    async def run(self, hours: int) -> None:
        """Let the fleet live, and take a sample each hour, when all have been online for a while."""
        end = self._begun + hours * SAMPLE_EVERY + 2 * STEP
        churn, junk, sample = (self._begun + after for after in (CHURN_EVERY / 4, JUNK_EVERY, SAMPLE_EVERY))
        while (now := self._loop.time()) < end:
            await asyncio.sleep(STEP)
            while (index := self._schedule.take_due(now)) is not None:
                if index not in self.silent:
                    self._beat(index)
            if now >= junk:
                junk += JUNK_EVERY
                self._send(f"{SITE}/gateway/1/heartbeat", b"{", "not_json")
            if now >= churn:
                churn += CHURN_EVERY / 2
                self._churn()
            if now >= sample:
                sample += SAMPLE_EVERY
                self.samples.append(self._sample())
        while self.silent:  # let those come back that are silent now
            self._churn()
            await asyncio.sleep(STEP)
        for index in range(len(self.devices)):
            self._beat(index)
        await asyncio.sleep(INTERVAL)

    def _churn(self) -> None:
        """Let some fall silent, or those that are come back with their next heartbeat."""
        if self.silent:
            self.silent.clear()
        else:
            self.silent.update(range(self._churned % CHURN, len(self.devices), CHURN))
            self._churned += 1
            self.expected.update(off=len(self.silent), on=len(self.silent))

    def _beat(self, index: int) -> None:
        device = self.devices[index]
        self._turns[index] += 1
        said = {"serial_number": device.serial, "timestamp": round(self._loop.time()), "uptime": self._turns[index]}
        self._send(device.topic("heartbeat"), json.dumps(said).encode(), "heartbeat")
        if self._loop.time() < self._begun + WARM_UP or self._turns[index] % DATA_EVERY == 1:
            self.values[device.serial] = value = self._chance.randrange(
                1_000, 1_100
            )  # few, so that caches are soon full
            data = {"serial_number": device.serial, "power": {"value": value, "unit": "W"}, "mode": f"m{value % 3}"}
            self._send(device.topic("input"), json.dumps(data).encode(), "input")

    def _send(self, topic: str, payload: bytes, kind: str) -> None:
        message = MQTTMessage(topic=topic.encode())
        message.payload = payload
        message.properties = None
        self._client._async_mqtt_on_message(None, None, message)  # type: ignore[arg-type]  # noqa: SLF001
        self.sent[kind] += 1

    def _changed(self, event: Any) -> None:
        new, old = event.data["new_state"], event.data["old_state"]
        if new and old and {new.state, old.state} == {"on", "off"} and new.entity_id.endswith("_connectivity"):
            self.flips[new.state] += 1

    def _sample(self) -> dict[str, Any]:
        _collect()
        handles = [handle for handle in self._loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # noqa: SLF001
        files = Path(self._hass.config.config_dir).rglob("*")
        return {
            "kb": tracemalloc.get_traced_memory()[0] / 1024,
            "states": len(self._hass.states.async_all()),
            "timers": sum("delayed_write" not in repr(handle) for handle in handles),
            "files": sum("tmp" not in file.name for file in files),
            "tasks": len(asyncio.all_tasks()),
            "listeners": sum(self._hass.bus.async_listeners().values())
            - self._hass.bus.async_listeners().get("homeassistant_final_write", 0),
        }


def _judge(day: Day, site: Any, states: dict[str, str], entities: dict[str, str]) -> dict[str, Any]:
    """Compare what Home Assistant shows with the book."""
    steady = day.samples[SETTLED - 1 :] if len(day.samples) > SETTLED else day.samples
    wrong = [
        f"{name} were not constant: {[sample[name] for sample in steady]}"
        for name in ("states", "timers", "files", "tasks", "listeners")
        if len({sample[name] for sample in steady}) > 1
    ]
    slope = _slope([sample["kb"] for sample in steady])
    if slope >= SLOPE and len(day.samples) >= WHOLE:
        wrong.append(f"memory grows by {slope:.2f} KB an hour: {[round(sample['kb']) for sample in day.samples]}")
    if site.watch.messages != day.sent.total():
        wrong.append(f"{site.watch.messages} messages counted of {day.sent.total()}")
    if dict(site.log.ignored) != {"not_json": day.sent["not_json"]}:
        wrong.append(f"{dict(site.log.ignored)} counted as ignored, of {day.sent['not_json']}")
    if day.flips != day.expected:
        wrong.append(f"{dict(day.flips)} flips instead of {dict(day.expected)}")
    for device in day.devices:
        path = f"{SITE}/{'/'.join(device.identity)}"
        shown = {key: states.get(entities.get(f"{path}/{key}", "")) for key in ("connectivity", "in/power", "in/mode")}
        value = day.values[device.serial]
        if shown != {"connectivity": "on", "in/power": str(value), "in/mode": f"m{value % 3}"}:
            wrong.append(f"{device.serial}: {shown} instead of {value}")
    return {
        "sent": dict(day.sent),
        "flips": dict(day.flips),
        "KB an hour": round(slope, 2),
        "KB each hour": [round(sample["kb"]) for sample in day.samples],
        f"KB from hour {SETTLED} on": f"{min(sample['kb'] for sample in steady):,.0f} to {max(sample['kb'] for sample in steady):,.0f}",
        **{name: steady[-1][name] for name in steady[-1] if name != "kb"},
        "wrong": wrong[:20],
    }


def _collect() -> None:
    gc.collect()
    # Python's cache of attributes holds the names that C code and paho make anew for each look
    sys._clear_internal_caches()  # noqa: SLF001


def _slope(values: list[float]) -> float:
    """Return by how much values taken at equal distances grow each time (least squares)."""
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((index - middle) ** 2 for index in range(len(values)))
    return sum((index - middle) * (value - mean) for index, value in enumerate(values)) / spread


async def live(loop: JumpingLoop, hours: int, devices: int) -> dict[str, Any]:
    """Run a fleet for so many hours of loop time; judge memory, what is left, and the counters."""
    lines = Lines()
    logging.basicConfig(level=logging.WARNING, handlers=[lines])
    with Broker() as broker:
        async with running_core(broker.port) as hass:
            entry = await add_site(hass, SITE, {"offline_after": OFFLINE_AFTER})
            tracemalloc.start()
            day = Day(hass, loop, devices)
            loop.jumping = True
            await day.run(hours)
            loop.jumping = False
            await hass.async_block_till_done()
            states = {state.entity_id: state.state for state in hass.states.async_all()}
            entities = {row.unique_id: row.entity_id for row in er.async_get(hass).entities.values()}
            figures = _judge(day, entry.runtime_data, states, entities)
            figures["wrong"] += lines.bad
    return {"hours": hours, "devices": devices} | figures
