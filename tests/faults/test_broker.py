"""Faults of the broker and of the line to it, and of Home Assistant's process.

The faults last as long as they must, so they run side by side, each with a stack of its own; the tests then look at what
came of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
import json
from pathlib import Path
import shutil
import struct
import subprocess
from tempfile import TemporaryDirectory
import time

import pytest

from harness.home_assistant import PYTHON
from harness.process import FOLDER
from harness.stack import Stack
from harness.waiting import pause, seconds_until, until
from simulator.devices import make_devices
from tests import SITE

from . import (
    Figures,
    Scenario,
    Watch,
    diagnostics,
    heard_since,
    needs_processes,
    running,
    wait_until_all,
)

pytestmark = [*needs_processes, pytest.mark.timeout(420)]

EVENTS = "event.sito_001_events"
CURRENT_WITHIN = 15.0  # seconds of the later reconnect, with heartbeats each 10 s
HOUR, DAY = 3600, 86_400
MOVES = (HOUR, -HOUR, DAY, -DAY, 0)  # seconds from the true time


def connections(stack: Stack) -> tuple[int, int]:
    """Return how often Home Assistant and the fleet have connected so far."""
    return stack.broker.connections("home-assistant") or 0, stack.broker.connections("simulator") or 0


def seen(stack: Stack, watch: Watch, entities: Mapping[str, str]) -> Figures:
    """Return what became of the fleet."""
    return {
        "states": watch.states(entities.values()),
        "events": len(watch.of(EVENTS)),
        "online": diagnostics(stack)["counts"]["online"],
        "complaints": stack.home_assistant.complaints(),
    }


def broker_killed(away: float) -> Scenario:
    """Kill the broker under 1,000 devices, and start it again."""

    def scenario() -> Figures:
        with running(make_devices(SITE, dataloggers=900, gateways=100)) as stack:
            entities = wait_until_all(stack, within=150)
            until(lambda: stack.home_assistant.states()[EVENTS]["state"] != "unknown")
            pause(16)  # what was discovered is told
            before = connections(stack)
            with Watch(stack.home_assistant) as watch:
                killed = time.monotonic()
                stack.broker.kill()
                pause(away)
                stack.broker.start()
                until(lambda: min(now - then for now, then in zip(connections(stack), before, strict=True)) > 0)
                back, reconnected = datetime.now(UTC), time.monotonic() - killed
                current = seconds_until(lambda: heard_since(stack, back) == len(entities), poll=1)
                pause(2)
            return {
                **seen(stack, watch, entities),
                "s to the later reconnect": round(reconnected, 1),
                "s from there to all current": round(current, 1),
            }

    return scenario


def broker_frozen() -> Figures:
    """Freeze the broker for a minute, longer than any deadline; then let one device, and at last all, fall silent."""
    with running(make_devices(SITE, dataloggers=90, gateways=10)) as stack:
        entities = wait_until_all(stack, within=150)
        dead = next(iter(entities))
        until(lambda: diagnostics(stack)["mqtt"]["echo"])
        pause(16)
        with Watch(stack.home_assistant) as watch:
            stack.broker.freeze()
            pause(60)
            stack.broker.thaw()
            pause(25)
            frozen = {"states": watch.states(entities.values()), "events": len(watch.of(EVENTS))}
            stack.fleet.silence(dead)
            until(lambda: watch.of(entities[dead]))
            one = watch.of(entities[dead])[0].at - stack.fleet.book.last_heartbeat[dead].monotonic
            stack.fleet.silence_all()
            until(lambda: len([change for change in watch.changes if change.after == "off"]) >= len(entities) + 1)
            moments = stack.fleet.book.last_heartbeat
            delays = [watch.of(entities[serial])[-1].at - moments[serial].monotonic for serial in entities]
        return {
            **frozen,
            "s to off of one that then fell silent": round(one, 2),
            "s to off of a silent site": f"{min(delays):.2f} to {max(delays):.2f}",
            "delays": [one, *delays],
            "connections": connections(stack)[0],
            "complaints": stack.home_assistant.complaints(),
        }


def home_assistant_frozen() -> Figures:
    """Stop Home Assistant's process for a minute."""
    with running(make_devices(SITE, dataloggers=90, gateways=10)) as stack:
        entities = wait_until_all(stack, within=150)
        pause(16)
        with Watch(stack.home_assistant) as watch:
            stack.home_assistant.freeze()
            pause(60)
            stack.home_assistant.thaw()
            pause(35)
        return {
            **seen(stack, watch, entities),
            "unavailable": len([change for change in watch.changes if change.after == "unavailable"]),
        }


def wall_clock_moved() -> Figures:
    """Move Home Assistant's wall clock five times, each time while one more device is silent and not yet due."""
    if (compiler := shutil.which("cc")) is None:
        pytest.skip("needs a C compiler")
    devices = make_devices(SITE, dataloggers=18, gateways=2)
    with TemporaryDirectory(prefix=FOLDER) as folder:
        library, shift, python = (Path(folder) / name for name in ("wall_clock.so", "shift", "python"))
        source = Path(__file__).with_name("wall_clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
        shift.write_bytes(bytes(8))
        python.write_text(
            f'#!/bin/sh\nLD_PRELOAD={library} WALL_CLOCK={shift} exec {PYTHON} "$@"\n',
            encoding="utf-8",
        )
        python.chmod(0o755)
        with running(devices, interval=2, options={"offline_after": 10}, python=python) as stack:
            entities = wait_until_all(stack, within=150)
            delays, seen = [], []
            with Watch(stack.home_assistant) as watch:
                for move, device in zip(MOVES, devices, strict=False):
                    stack.fleet.silence(device.serial)
                    pause(3)
                    with shift.open("r+b") as file:
                        file.write(struct.pack("=q", move))
                    off = entities[device.serial]
                    until(partial(watch.of, off))
                    silent_since = stack.fleet.book.last_heartbeat[device.serial].monotonic
                    delays.append(watch.of(off)[0].at - silent_since)
                    heard = next(one for one in diagnostics(stack)["devices"] if one["online"])["last_heartbeat"]
                    seen.append((datetime.fromisoformat(heard) - datetime.now(UTC)).total_seconds())
            silent = [entities[device.serial] for device in devices[: len(MOVES)]]
            return {
                "s to off": f"{min(delays):.2f} to {max(delays):.2f}",
                "delays": delays,
                "seen": seen,
                "changes of the silent": [change.after for change in watch.of(*silent)],
                "states of the others": watch.states(set(entities.values()) - set(silent)),
                "online": diagnostics(stack)["counts"]["online"],
                "complaints": stack.home_assistant.complaints(),
            }


def password_refused() -> Figures:
    """Let the broker refuse the password after having worked, and take it again later."""
    with running(login=("field", "secret"), options={"offline_after": 10}, interval=2) as stack:
        entities = wait_until_all(stack, within=150)
        pause(6)
        file = stack.broker.folder / "passwords"
        right = file.read_text(encoding="utf-8")
        with Watch(stack.home_assistant) as watch:
            stack.broker.kill()
            file.write_text(right.replace("field:", "somebody_else:"), encoding="utf-8")
            stack.broker.start()
            until(lambda: not diagnostics(stack)["mqtt"]["connected"])
            pause(25)
            flows = [flow["handler"] for flow in stack.home_assistant.ask("config_entries/flow/progress")]
            stack.broker.kill()
            file.write_text(right, encoding="utf-8")
            stack.broker.start()
            if "mqtt" in flows:  # Home Assistant asks for the new password and tries no more until it has one
                mqtt = "demo_mqtt_" + stack.broker.host
                stack.home_assistant.post(f"/api/config/config_entries/entry/{mqtt}/reload")
            took = seconds_until(lambda: diagnostics(stack)["mqtt"]["listening"])
            until(lambda: heard_since(stack, datetime.now(UTC)) == 0)
            now = datetime.now(UTC)
            until(lambda: heard_since(stack, now) == len(entities))
            pause(11)
        return {
            **seen(stack, watch, entities),
            "flows": tuple(flows),
            "s to listening again": round(took, 1),
        }


def retained_of_the_dead() -> Figures:
    """Keep 1,000 heartbeats of dead devices on a broker that then forgets them, since it keeps nothing over a restart."""
    with running(options={"max_devices": 9900}, interval=5) as stack:
        entities = wait_until_all(stack, within=150)
        with Watch(stack.home_assistant) as watch:
            stack.broker.kill()
            stack.broker.start()
            until(lambda: stack.connection.is_up)
            for number in range(1000):
                payload = json.dumps({"serial_number": f"DEAD-{number}"})
                stack.connection.publish(f"{SITE}/datalogger/morto/{number}/heartbeat", payload, retain=True)
            until(lambda: diagnostics(stack)["counts"]["known"] == len(entities) + 1000)
            counts = diagnostics(stack)["counts"]
            stack.broker.kill()
            stack.broker.start()  # without what it had retained
            until(lambda: diagnostics(stack)["mqtt"]["listening"])
            pause(32)
        known = {state["state"] for id_, state in stack.home_assistant.states().items() if "morto_" in id_}
        return {
            "counts": (counts["known"], counts["online"], counts["offline"]),
            "counts after": tuple(diagnostics(stack)["counts"][name] for name in ("known", "online", "offline")),
            "states of the dead": known,
            "states": watch.states(entities.values()),
            "complaints": stack.home_assistant.complaints(),
        }


SCENARIOS: dict[str, Scenario] = {
    "0.1 s": broker_killed(0.1),
    "15 s": broker_killed(15),
    "90 s": broker_killed(90),
    "broker frozen": broker_frozen,
    "Home Assistant frozen": home_assistant_frozen,
    "wall clock": wall_clock_moved,
    "password": password_refused,
    "retained": retained_of_the_dead,
}


@pytest.mark.parametrize("outcome", ["0.1 s", "15 s"], indirect=True)
def test_a_broker_that_is_killed_and_back_within_a_minute_changes_no_state(outcome: Figures) -> None:
    assert outcome["states"] == set()
    assert outcome["events"] == 0
    assert outcome["online"] == 1000
    assert outcome["s from there to all current"] <= CURRENT_WITHIN


@pytest.mark.parametrize("outcome", ["90 s"], indirect=True)
def test_a_broker_that_is_killed_for_longer_makes_devices_unavailable_and_nobody_offline(outcome: Figures) -> None:
    assert outcome["states"] == {"unavailable", "on"}
    assert outcome["events"] == 0
    assert outcome["online"] == 1000
    assert outcome["s from there to all current"] <= CURRENT_WITHIN


@pytest.mark.parametrize("outcome", ["broker frozen"], indirect=True)
def test_a_frozen_broker_makes_nobody_offline_and_hides_no_silence_later(outcome: Figures) -> None:
    assert outcome["states"] == set()
    assert outcome["events"] == 0
    assert all(29.9 <= delay <= 32 for delay in outcome["delays"])


@pytest.mark.parametrize("outcome", ["Home Assistant frozen"], indirect=True)
def test_a_home_assistant_that_is_frozen_for_a_minute_flips_nobody(outcome: Figures) -> None:
    assert outcome["states"] <= {"on", "unavailable"}
    assert outcome["events"] == 0
    assert outcome["online"] == 100


@pytest.mark.parametrize("outcome", ["wall clock"], indirect=True)
def test_a_wall_clock_that_moves_by_an_hour_or_a_day_flips_nobody_and_delays_nothing(outcome: Figures) -> None:
    assert outcome["seen"] == pytest.approx(MOVES, abs=30)
    assert outcome["states of the others"] == set()
    assert outcome["changes of the silent"] == ["off"] * len(MOVES)
    assert all(9.9 <= delay <= 12 for delay in outcome["delays"])
    assert outcome["online"] == 20 - len(MOVES)


@pytest.mark.parametrize("outcome", ["password"], indirect=True)
def test_a_broker_that_refuses_the_password_makes_nobody_offline(outcome: Figures) -> None:
    assert outcome["states"] <= {"unavailable", "on"}
    assert outcome["events"] == 0


@pytest.mark.parametrize("outcome", ["retained"], indirect=True)
def test_the_dead_that_the_broker_remembers_are_known_and_never_online(outcome: Figures) -> None:
    assert outcome["counts"] == outcome["counts after"] == (1004, 4, 0)
    assert outcome["states of the dead"] <= {"unknown", "unavailable"}
    assert "off" not in outcome["states"]
