"""Faults of the file in which a site's devices are stored, and Home Assistant killed while it is written to."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import json
from pathlib import Path
import subprocess
import tempfile

import pytest

from harness.process import FOLDER
from harness.waiting import seconds_until, until
from simulator.devices import make_devices
from soak.kills import kills, store, stored
from tests import SITE

from . import (
    Figures,
    Scenario,
    diagnostics,
    needs_processes,
    running,
    wait_until_all,
)

pytestmark = [*needs_processes, pytest.mark.timeout(300)]

KILLS = 4  # more of them in scripts/soak kills
SAVED_WITHIN = 20.0


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
            until(lambda: len(stored(stack.home_assistant)) == len(entities), within=SAVED_WITHIN)
            stack.home_assistant.kill()
            content = spoil(store(stack.home_assistant).read_bytes())
            store(stack.home_assistant).write_bytes(content)
            before = set(store(stack.home_assistant).parent.glob("*.corrupt.*"))
            stack.home_assistant.log.unlink()
            stack.home_assistant.start()
            wait_until_all(stack)
            (aside,) = set(store(stack.home_assistant).parent.glob("*.corrupt.*")) - before
            assert aside.read_bytes() == content
            log = stack.home_assistant.log_text()
            assert [line for line in log.splitlines() if " ERROR " in line and aside.name in line]
            issues = stack.home_assistant.ask("repairs/list_issues")["issues"]
            assert {"storage_corruption", "store_lost"} & {issue["translation_key"] for issue in issues}
            resumed = seconds_until(lambda: len(stored(stack.home_assistant)) == len(entities), within=SAVED_WITHIN)
            figures[f"{spoil.__name__}: s from all online to all written"] = round(resumed, 1)
        assert len(stack.home_assistant.entity_ids(SITE, "connectivity")) == len(entities)
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
    disk = Path(tempfile.mkdtemp(prefix=FOLDER))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        disk.rmdir()
        pytest.skip("needs the right to mount a small tmpfs")
    figures: Figures = {}
    try:
        devices = make_devices(SITE, dataloggers=30, gateways=0)
        with running(devices, interval=2, options={"offline_after": 10}) as stack:
            entities = wait_until_all(stack)
            until(lambda: len(stored(stack.home_assistant)) == len(entities), within=SAVED_WITHIN)
            stack.home_assistant.stop()
            storage = store(stack.home_assistant).parent
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
                        return any(why in line for line in stack.home_assistant.complaints())

                    until(told)
                    until(lambda: diagnostics(stack)["counts"]["online"] == len(entities) - 1)
                    assert len(stored(stack.home_assistant)) == len(entities)  # the last good one
                assert not [
                    line for line in stack.home_assistant.complaints() if "custom_components" in line
                ]  # Home Assistant's own
                stack.fleet.bring_back(gone)
                stack.fleet.silence(other)

                def written(off: str = f"datalogger/{other}") -> bool:
                    return any(
                        device["key"] == off and device["online"] is False for device in stored(stack.home_assistant)
                    )

                what = (
                    f"{fault.__name__}: s from a device's last heartbeat to its being off on a disk that is well again"
                )
                figures[what] = round(seconds_until(written), 1)
                stack.fleet.bring_back(other)
                wait_until_all(stack)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        disk.rmdir()
    return figures


def home_assistant_killed() -> Figures:
    """Kill Home Assistant at random moments."""
    outcome = kills(KILLS)
    return {**outcome.figures, "wrong": outcome.wrong}


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: scenario for scenario in (file_spoilt, unwritable, home_assistant_killed)
}


@pytest.mark.parametrize("outcome", ["file_spoilt"], indirect=True)
def test_a_file_that_can_not_be_used_is_kept_aside_and_devices_are_discovered_anew(outcome: Figures) -> None:
    assert len(outcome) == 3


@pytest.mark.parametrize("outcome", ["unwritable"], indirect=True)
def test_while_the_disk_is_full_or_read_only_all_goes_on_and_writing_resumes_when_it_can(outcome: Figures) -> None:
    assert len(outcome) == 2


@pytest.mark.parametrize("outcome", ["home_assistant_killed"], indirect=True)
def test_home_assistant_killed_at_random_moments_loses_no_record_that_is_old_enough(outcome: Figures) -> None:
    assert outcome["wrong"] == []
