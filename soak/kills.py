"""Home Assistant is killed at random moments, while devices come, move and fall silent.

After each kill the store is read as it lies there: every device that was discovered long enough before must be in it, once,
and be shown as it was stored when Home Assistant is back.
"""

from __future__ import annotations

from contextlib import suppress
import json
from pathlib import Path
from random import Random
import time
from typing import Any

from harness import seed
from harness.home_assistant import HomeAssistant
from harness.stack import SITE, Stack, running_stack
from harness.waiting import pause, until
from simulator.devices import make_devices

from .outcome import Outcome

OLD_ENOUGH = 15.0  # seconds after which a record outlives a crash
FIRST = 20  # devices that are there before the first kill
COME_EVERY = 0.5  # seconds
KILLED_AFTER = (1.0, 8.0)  # seconds
SEED = 7


def store(home_assistant: HomeAssistant) -> Path:
    """Return the file in which the devices of the site are stored."""
    return home_assistant.folder / ".storage" / f"site_devices.{seed.site_entry(SITE)['entry_id']}"


def stored(home_assistant: HomeAssistant) -> list[dict[str, Any]]:
    """Return the records in it, none if there is no such file."""
    with suppress(FileNotFoundError):
        devices = json.loads(store(home_assistant).read_bytes())["data"]["devices"]
        assert isinstance(devices, list)
        return devices
    return []


def kills(times: int) -> Outcome:
    """Kill it so many times; judge what the store has kept."""
    most = FIRST + times * int(KILLED_AFTER[1] / COME_EVERY)
    devices = make_devices(SITE, dataloggers=most, gateways=0)
    waiting = [device.serial for device in devices[FIRST:]]
    with running_stack(devices, interval=2, data_every=0, silent=waiting, sites={SITE: {"offline_after": 10}}) as stack:
        trial = _Trial(stack, waiting)
        until(lambda: trial.counts()["online"] >= FIRST)
        stack.fleet.silence(devices[0].serial)  # for good
        pause(OLD_ENOUGH)
        for _ in range(times):
            trial.kill_and_start()
            if trial.wrong:
                break  # what is lost now would be counted again and again
        wrong = trial.wrong + stack.home_assistant.complaints()  # of the last start; a start begins a new log
    return Outcome({"kills": trial.kills, "devices at the end": len(trial.discovered)}, wrong)


class _Trial:
    """What is known from outside, and what was found wrong."""

    def __init__(self, stack: Stack, waiting: list[str]) -> None:
        self.kills = 0
        self.wrong: list[str] = []
        # by serial: when Home Assistant had heard of it at the earliest, on the monotonic clock
        self.discovered = dict.fromkeys(stack.fleet.devices.keys() - set(waiting), time.monotonic())
        self._stack = stack
        self._waiting = waiting
        self._chance = Random(SEED)

    def counts(self) -> dict[str, int]:
        """Return how many devices are known, online and so on."""
        return dict(self._stack.home_assistant.diagnostics(SITE)["counts"])

    def kill_and_start(self) -> None:
        """Let devices come and move, kill Home Assistant meanwhile, and look at it when it is back."""
        self._let_devices_come(self._chance.uniform(*KILLED_AFTER))
        home_assistant = self._stack.home_assistant
        self.wrong += home_assistant.complaints()
        home_assistant.kill()
        self.kills += 1
        killed = time.monotonic()
        records = stored(home_assistant)
        known = {_serial(record) for record in records}
        if len(known) != len(records):
            self.wrong.append(f"{len(records)} records of {len(known)} devices")
        old = {serial for serial, at in self.discovered.items() if killed - at > OLD_ENOUGH}
        self.wrong += [f"{serial} is lost" for serial in old - known]
        home_assistant.start()
        # those too young to have been saved are discovered anew, now at the earliest
        self.discovered |= dict.fromkeys(self.discovered.keys() - known, time.monotonic())
        self._look_at_states({_serial(record) for record in records if record["online"] is False})
        if self.wrong:
            return
        until(self._all_are_back)
        pages = home_assistant.ask("config/device_registry/list")
        serials = [page["serial_number"] for page in pages if page["serial_number"]]
        if not len(serials) == len(set(serials)) == len(self.discovered):
            self.wrong.append(f"{len(serials)} pages of {len(set(serials))} devices, of {len(self.discovered)}")

    def _let_devices_come(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            serial = self._waiting.pop()
            self._stack.fleet.bring_back(serial)
            self.discovered[serial] = time.monotonic()
            kind = self._stack.fleet.devices[serial].address.split("/")[1]
            elsewhere = f"{SITE}/datalogger/{kind}/moved-{self._chance.randrange(1000)}/heartbeat"
            self._stack.connection.publish(elsewhere, json.dumps({"serial_number": serial}))
            pause(COME_EVERY)

    def _look_at_states(self, offline: set[str]) -> None:
        entities = self._stack.home_assistant.entity_ids(SITE, "connectivity")
        states = self._stack.home_assistant.states()
        for (_, serial), entity in entities.items():
            if serial in offline and states[entity]["state"] == "on":
                self.wrong.append(f"{serial} was stored as offline, and was on after the start")

    def _all_are_back(self) -> bool:
        counts = self.counts()
        known = len(self.discovered)
        return (counts["known"], counts["online"]) == (known, known - 1)  # one is silent


def _serial(record: dict[str, Any]) -> str:
    return str(record["key"].split("/")[1])
