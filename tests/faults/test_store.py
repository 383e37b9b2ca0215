"""Faults of the file in which a site's devices are stored, and Home Assistant killed while it is written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
import contextlib
import json
import os
from pathlib import Path
from random import Random
import subprocess
import tempfile
import time
from typing import Any

import pytest

from demo import seed
from demo.stack import Stack
from simulator.devices import make_devices
from tests import SITE

from . import (
    Figures,
    complaints,
    connectivity,
    diagnostics,
    needs_processes,
    running,
    side_by_side,
    until,
    wait_until_all,
)

pytestmark = [*needs_processes, pytest.mark.timeout(300)]

KILLS = int(os.environ.get("SITE_DEVICES_KILLS", "4"))
OLD_ENOUGH = 15.0  # seconds after which a record outlives a crash
SAVED_WITHIN = 20.0

type Record = Callable[[str, object], None]


def store(stack: Stack) -> Path:
    """Return the file."""
    return stack.home_assistant.folder / ".storage" / f"site_devices.{seed.site_entry(SITE)['entry_id']}"


def stored(stack: Stack) -> list[dict[str, Any]]:
    """Return the records in it, none if there is no such file."""
    with contextlib.suppress(FileNotFoundError):
        devices = json.loads(store(stack).read_bytes())["data"]["devices"]
        assert isinstance(devices, list)
        return devices
    return []


def newer(content: bytes) -> bytes:
    return json.dumps({**json.loads(content), "version": 99}).encode()


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def empty(_content: bytes) -> bytes:
    return b""


def file_spoilt() -> Figures:
    """Spoil the file while Home Assistant is down, in three ways; the others are tested without processes."""
    figures: Figures = {}
    with running(interval=2, options={"offline_after": 10}) as stack:
        entities = wait_until_all(stack)
        for spoil in (truncated, empty, newer):
            until(lambda: len(stored(stack)) == len(entities), within=SAVED_WITHIN)
            stack.home_assistant.kill()
            content = spoil(store(stack).read_bytes())
            store(stack).write_bytes(content)
            before = set(store(stack).parent.glob("*.corrupt.*"))
            stack.home_assistant.log.unlink()
            stack.home_assistant.start()
            wait_until_all(stack)
            (aside,) = set(store(stack).parent.glob("*.corrupt.*")) - before
            assert aside.read_bytes() == content
            log = stack.home_assistant.log_text()
            assert [line for line in log.splitlines() if " ERROR " in line and aside.name in line]
            issues = stack.home_assistant.ask("repairs/list_issues")["issues"]
            assert {"storage_corruption", "store_lost"} & {issue["translation_key"] for issue in issues}
            resumed = until(lambda: len(stored(stack)) == len(entities), within=SAVED_WITHIN)
            figures[f"{spoil.__name__}: s from all online to all written"] = round(resumed, 1)
        assert len(connectivity(stack)) == len(entities)
    return figures


@contextlib.contextmanager
def full(disk: Path) -> Iterator[str]:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
        while True:
            filling.write(b"\0" * 512)
    yield "No space left on device"
    ballast.unlink()


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[str]:
    remount(disk, "ro")
    yield "Read-only file system"
    remount(disk, "rw")


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(disk)], check=True)


def unwritable() -> Figures:
    """Move what Home Assistant stores to a small disk, fill that one, and make it read-only later."""
    disk = Path(tempfile.mkdtemp(prefix="site_devices-full-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        disk.rmdir()
        pytest.skip("needs the right to mount a small tmpfs")
    figures: Figures = {}
    try:
        devices = make_devices(SITE, dataloggers=30, gateways=0)
        with running(devices, interval=2, options={"offline_after": 10}) as stack:
            entities = wait_until_all(stack)
            until(lambda: len(stored(stack)) == len(entities), within=SAVED_WITHIN)
            stack.home_assistant.stop()
            storage = store(stack).parent
            size = sum(file.stat().st_size for file in storage.iterdir())
            remount(disk, f"size={size + 600_000}")
            for file in storage.iterdir():
                (disk / file.name).write_bytes(file.read_bytes())
                file.unlink()
            storage.rmdir()
            storage.symlink_to(disk)
            stack.home_assistant.start()
            wait_until_all(stack)
            serials = iter(entities)
            for fault in (full, read_only):
                gone, other = next(serials), next(serials)
                with fault(disk) as why:
                    stack.fleet.silence(gone)

                    def told(why: str = why) -> bool:
                        return any(why in line for line in complaints(stack))

                    until(told)
                    until(lambda: diagnostics(stack)["counts"]["online"] == len(entities) - 1)
                    assert len(stored(stack)) == len(entities)  # the last good one
                assert not [line for line in complaints(stack) if "custom_components" in line]  # Home Assistant's own
                stack.fleet.bring_back(gone)
                stack.fleet.silence(other)

                def written(off: str = f"datalogger/{other}") -> bool:
                    return any(device["key"] == off and device["online"] is False for device in stored(stack))

                what = (
                    f"{fault.__name__}: s from a device's last heartbeat to its being off on a disk that is well again"
                )
                figures[what] = round(until(written), 1)
                stack.fleet.bring_back(other)
                wait_until_all(stack)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()
    return figures


def all_but_one_are_online(stack: Stack, known: int) -> bool:
    counts = diagnostics(stack)["counts"]
    return (counts["known"], counts["online"]) == (known, known - 1)


def home_assistant_killed() -> Figures:
    """Kill it at random moments while devices come, move and fall silent."""
    chance = Random(7)
    devices = make_devices(SITE, dataloggers=20 + 16 * KILLS, gateways=0)  # at most so many come before each kill
    lost = flipped = 0
    waiting = [device.serial for device in devices[20:]]
    with running(devices, interval=2, options={"offline_after": 10}, silent=waiting) as stack:
        until(lambda: diagnostics(stack)["counts"]["online"] >= 20)
        born: dict[str, float] = {device.serial: time.monotonic() for device in devices[:20]}
        silent = devices[0].serial
        stack.fleet.silence(silent)
        time.sleep(OLD_ENOUGH)
        for _ in range(KILLS):
            end = time.monotonic() + chance.uniform(1, 8)
            while time.monotonic() < end:
                serial = waiting.pop()
                stack.fleet.bring_back(serial)
                born[serial] = time.monotonic()
                device = stack.fleet.devices[serial]
                address = f"datalogger/{device.address.split('/')[1]}/moved-{chance.randrange(1000)}"
                stack.connection.publish(f"{SITE}/{address}/heartbeat", json.dumps({"serial_number": serial}))
                time.sleep(0.5)
            stack.home_assistant.kill()
            killed = time.monotonic()
            content = stored(stack)
            known = {device["key"].split("/")[1] for device in content}
            assert len(known) == len(content)
            lost += len([serial for serial, at in born.items() if killed - at > OLD_ENOUGH and serial not in known])
            offline = {device["key"].split("/")[1] for device in content if device["online"] is False}
            stack.home_assistant.start()
            # those too young to have been saved have been discovered anew, now at the earliest
            born.update(dict.fromkeys(born.keys() - known, time.monotonic()))
            entities = connectivity(stack)
            states = stack.home_assistant.states()
            flipped += sum(states[entities[serial]]["state"] == "on" for serial in offline if serial in entities)
            until(lambda: all_but_one_are_online(stack, len(born)))
            pages = stack.home_assistant.ask("config/device_registry/list")
            serials = [page["serial_number"] for page in pages if page["serial_number"]]
            assert len(serials) == len(set(serials)) == len(born)
        return {"kills": KILLS, "records lost": lost, "flipped": flipped, "complaints": complaints(stack)}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Future[Figures]]:
    """Let all of it happen."""
    return side_by_side({scenario.__name__: scenario for scenario in (file_spoilt, unwritable, home_assistant_killed)})


@pytest.fixture
def outcome(request: pytest.FixtureRequest, outcomes: dict[str, Future[Figures]], record_property: Record) -> Figures:
    """Return what came of one of them; its figures are printed."""
    figures = outcomes[request.param].result()
    for what, figure in figures.items():
        record_property(what, figure)
    return figures


@pytest.mark.parametrize("outcome", ["file_spoilt"], indirect=True)
def test_a_file_that_can_not_be_used_is_kept_aside_and_devices_are_discovered_anew(outcome: Figures) -> None:
    assert len(outcome) == 3


@pytest.mark.parametrize("outcome", ["unwritable"], indirect=True)
def test_while_the_disk_is_full_or_read_only_all_goes_on_and_writing_resumes_when_it_can(outcome: Figures) -> None:
    assert len(outcome) == 2


@pytest.mark.parametrize("outcome", ["home_assistant_killed"], indirect=True)
def test_home_assistant_killed_at_random_moments_loses_no_record_that_is_old_enough(outcome: Figures) -> None:
    assert outcome == {"kills": KILLS, "records lost": 0, "flipped": 0, "complaints": []}
