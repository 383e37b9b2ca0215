"""Hostile publishers against a site of honest devices: what Home Assistant makes of it, and what it costs.

Each run is against a core in a fresh process, and beside it one with a subscriber that does nothing, so that what Home
Assistant itself needs for the messages is not counted as ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
import json
import time
from typing import Any

from harness.broker import Broker
from harness.worker import Worker
from simulator.connection import Connection
from simulator.devices import Device, make_devices
from simulator.fleet import Fleet

from .hostile import Hostile, Message
from .outcome import Outcome

SITE = "sito_001"
HONEST = 100
INTERVAL = 2.0  # seconds between two heartbeats of an honest device
OFFLINE_AFTER = 10  # seconds: short, so that they would flip if the rest held them up
RATE = 6_000  # hostile messages a second: about half of what Home Assistant's client can read
SEED = 7
LIMIT = 1_000  # devices that the site may have in the flood
MB_MORE = 50.0  # what the site may take beyond the subscriber that does nothing
FEW = 3_000  # entities that are within that
KB_ENTITY = 12.0  # for each further one: object, state and registry entry
LINES = 100
# the broker must drop nothing, or the test would be milder than it says
UNLIMITED = ("max_queued_messages 0", "max_queued_bytes 0")


def honest_devices() -> list[Device]:
    """Return the devices that must not be harmed."""
    return make_devices(SITE, dataloggers=HONEST - 10, gateways=10)


def hostile(messages: int, *, max_devices: int = HONEST + 20, data_entities: bool = True) -> Outcome:
    """Send whatever there is on the wire; judge memory, log, errors and the honest devices.

    What may be published may also make data entities, up to the limits of the site; those cost what entities cost.
    """
    devices = honest_devices()
    serials = [device.serial for device in devices]
    sent = islice(Hostile(SITE, seed=SEED, honest=serials), messages)
    seen, noop = _run(devices, sent, yardstick=True, max_devices=max_devices, data_entities=data_entities)
    wrong = _judge(devices, seen, messages)
    more = seen["after"] - noop["after"]
    entities = seen["entities"] - noop["entities"]
    if more > MB_MORE + max(0, entities - FEW) * KB_ENTITY / 1024:
        wrong.append(f"{more:.1f} MB more than a subscriber that does nothing")
    if noop["received"] < messages / 2:
        wrong.append(f"only {noop['received']} of {messages} messages reached the subscriber that does nothing")
    return Outcome(_short(seen, more=more, peak_more=seen["peak"] - noop["peak"]), wrong)


def flood(serials: int) -> Outcome:
    """Send heartbeats of ever new serials; judge that the site's limit holds and nothing is kept of the rest."""
    devices = honest_devices()
    seen, _ = _run(devices, _new_serials(serials), max_devices=LIMIT)
    wrong = _judge(devices, seen, serials)
    if len(seen["records"]) != LIMIT:
        wrong.append(f"{len(seen['records'])} records instead of {LIMIT}")
    if seen["devices"] != LIMIT + 1:  # and the site's own
        wrong.append(f"{seen['devices']} device pages for {LIMIT} devices")
    if seen["issues"] != ["device_limit"]:
        wrong.append(f"issues {seen['issues']} instead of the one about the limit")
    if seen["ignored"].get("full") != serials - (LIMIT - HONEST):
        wrong.append(f"{seen['ignored']} counted as ignored")
    return Outcome(_short(seen), wrong)


def _judge(devices: list[Device], seen: dict[str, Any], messages: int) -> list[str]:
    wrong = [*seen["bad"], *seen["problems"]]
    if seen["lines"] > LINES:
        wrong.append(f"{seen['lines']} lines in the log")
    honest = {"/".join(device.identity) for device in devices}
    if missing := honest - set(seen["online"]):
        wrong.append(f"not online at the end: {sorted(missing)}")
    for key in honest:
        states = seen["flips"].get(f"{SITE}/{key}/connectivity", [])
        if states != ["on"]:
            wrong.append(f"{key} was {states}")
    if seen["received"] < messages / 2:
        wrong.append(f"only {seen['received']} messages arrived of {messages}")
    if lost := set(seen["records"]) - set(seen["after_reload"]):
        wrong.append(f"lost by a reload: {lost}")
    return wrong


def _short(seen: dict[str, Any], **more: float) -> dict[str, Any]:
    """Return the figures that a person reads."""
    numbers = {name: round(value, 1) for name, value in (seen | more).items() if isinstance(value, int | float)}
    counts = {name: len(seen[name]) for name in ("records", "online", "after_reload")}
    return numbers | counts | {name: seen[name] for name in ("issues", "ignored", "after_reload_ignored")}


def _run(
    devices: list[Device], messages: Iterable[Message], *, yardstick: bool = False, **options: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send messages to a core that knows the devices, and to the yardstick if asked for; return what either saw."""
    watching = [json.dumps(options | {"offline_after": OFFLINE_AFTER}), *(["null"] if yardstick else [])]
    with (
        Broker(settings=UNLIMITED) as broker,
        Connection(broker.host, broker.port) as field,
        Connection(broker.host, broker.port, client_id="hostile") as attacker,
        Fleet(devices, field.publish, interval=INTERVAL, data_every=0),
        ExitStack() as stack,
    ):
        cores = [
            stack.enter_context(Worker("soak.core", broker.port, SITE, options, 2 * HONEST)) for options in watching
        ]
        before = [core.answer() for core in cores]
        begun = time.monotonic()
        _publish(attacker, messages)
        seen, *noop = [first | core.ask("finish") for first, core in zip(before, cores, strict=True)]
        return seen | {"seconds": time.monotonic() - begun}, noop[0] if noop else {}


def _publish(attacker: Connection, messages: Iterable[Message]) -> None:
    """Send at a steady rate, and return when all of it has left."""
    begun = time.monotonic()
    for number, message in enumerate(messages):
        attacker.publish(message.topic, message.payload, retain=message.retain)
        if number % 100 == 0:
            time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
    attacker.flush()


def _new_serials(count: int) -> Iterator[Message]:
    for number in range(count):
        payload = json.dumps({"serial_number": f"FLOOD-{number:06d}", "model": "<b>", "value": number})
        yield Message(f"{SITE}/datalogger/flood/{number % 1_500}/heartbeat", payload.encode(), retain=False)
