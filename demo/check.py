"""The demo without a person: everything online, one device silent, off in time, and back.

In: a running stack. Out: rows of what was expected and what was seen. The times compared are those of the simulator's
publish calls and Home Assistant's `last_changed`, two readings of one machine's clock.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
import time
from typing import Any

from harness import seed
from harness.stack import SITE, Stack
from harness.waiting import until
from simulator.devices import Device

OFFLINE_AFTER = 30.0
EARLIEST, LATEST = 29.9, 31.0  # seconds from the last heartbeat that went out to the state "off"
BACK_WITHIN = 1.0
ONLINE_WITHIN = 90.0  # seconds for the whole fleet: one interval, and time for a slow machine

type States = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result."""

    what: str
    expected: str
    seen: str
    ok: bool


def check(stack: Stack, say: Callable[[str], None]) -> list[Row]:
    """Try the one promise that counts; takes about a minute."""
    fleet = stack.fleet
    devices = list(fleet.devices.values())
    with suppress(TimeoutError):
        until(lambda: len(stack.home_assistant.online(SITE)) >= len(devices), within=ONLINE_WITHIN)
    entities = stack.home_assistant.online(SITE)
    online = len(entities)
    rows = [Row("devices online", str(len(devices)), str(online), online == len(devices))]
    if not rows[0].ok:
        return rows
    say(f"all {online} devices are online")

    # Home Assistant gives a full deadline from its own start on: only a heartbeat after that starts the clock here.
    device = devices[0]
    ready = time.time()
    until(lambda: fleet.book.last_heartbeat[device.serial].wall > ready)
    before = stack.home_assistant.states()
    fleet.silence(device.serial)
    last = fleet.book.last_heartbeat[device.serial].wall
    say(f"{device.name} is silent, expecting it off in {last + OFFLINE_AFTER - time.time():.0f} s")
    entity = entities[device.identity]
    rows.append(_timed_row(f"{device.name} off after last heartbeat", stack, entity, "off", last, (EARLIEST, LATEST)))
    fleet.bring_back(device.serial)
    back = fleet.book.last_heartbeat[device.serial].wall
    rows.append(_timed_row(f"{device.name} on after next heartbeat", stack, entity, "on", back, (0.0, BACK_WITHIN)))

    others = [id_ for identity, id_ in entities.items() if identity != device.identity]
    steady = count_steady(before, stack.home_assistant.states(), others)
    rows.append(Row("others on all the while", str(len(others)), str(steady), steady == len(others)))
    connections = stack.broker.connections(seed.MQTT_CLIENT_ID)
    if connections is not None:  # the embedded broker does not tell
        rows.append(Row("connections of Home Assistant to the broker", "1", str(connections), connections == 1))
    rows.append(_names_row(stack, devices))
    return rows


def table(rows: Iterable[Row]) -> str:
    """The rows as a small table."""
    cells = [("what", "expected", "seen", "ok")]
    cells += [(row.what, row.expected, row.seen, "yes" if row.ok else "NO") for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells)


def count_steady(before: States, after: States, entities: Iterable[str]) -> int:
    """How many entities are on, and have been so in between: a state that went off and came back has a new time."""
    return sum(
        before[id_]["state"] == after[id_]["state"] == "on"
        and before[id_]["last_changed"] == after[id_]["last_changed"]
        for id_ in entities
    )


def _timed_row(what: str, stack: Stack, entity: str, state: str, since: float, bounds: tuple[float, float]) -> Row:
    """Wait for a state, and judge how long after `since` it came."""
    expected = f"{bounds[0]:.1f} to {bounds[1]:.1f} s"
    found = {}

    def reached() -> bool:
        nonlocal found
        found = stack.home_assistant.get(f"/api/states/{entity}")
        return bool(found["state"] == state)

    try:
        until(reached, within=bounds[1] + 10)
    except TimeoutError:
        return Row(what, expected, f"still {found['state']}", ok=False)
    after = datetime.fromisoformat(found["last_changed"]).timestamp() - since
    return Row(what, expected, f"{after:.2f} s", bounds[0] <= after <= bounds[1])


def _names_row(stack: Stack, devices: list[Device]) -> Row:
    registry = stack.home_assistant.ask("config/device_registry/list")
    names = {row["name"] for row in registry}
    found = sum(device.name in names for device in devices)
    example = f"{devices[0].name}, {devices[-1].name}"
    return Row(f"device pages ({example} …)", str(len(devices)), str(found), found == len(devices))
