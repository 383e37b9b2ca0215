"""What a site costs in things that can be counted: the same for a hundred devices as for three.

How long it all takes is the benchmark's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, StateMachine
import pytest

from custom_components.site_devices.const import DOMAIN

from . import SITE, advance, connectivity, deliver, setup_site, subscribed, until

pytestmark = pytest.mark.usefixtures("broker", "quiet")

FEW, MANY = 3, 100


def beats(hass: HomeAssistant, size: int) -> None:
    """Let heartbeats of devices arrive in one go."""
    for number in range(size):
        deliver(hass, f"{SITE}/datalogger/monstro/{number}/heartbeat", {"serial_number": f"T{number}"})


def reports(hass: HomeAssistant, size: int, value: float) -> None:
    """Let them report a value and one that stays as it is."""
    for number in range(size):
        data = {"serial_number": f"T{number}", "power": value, "limit": 16}
        deliver(hass, f"{SITE}/datalogger/monstro/{number}/input", data)


def timers(hass: HomeAssistant) -> Counter[str]:
    """Count what waits in the loop because of us, by what it will do."""
    waiting = [timer for timer in hass.loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
    # a timer of ours stands for what it will call
    callbacks = [getattr(getattr(each._callback, "__self__", None), "_action", each._callback) for each in waiting]
    owners = [getattr(callback, "__self__", None) for callback in callbacks]
    return Counter(
        callback.__qualname__
        for callback, owner in zip(callbacks, owners, strict=True)
        if DOMAIN in repr(callback) or DOMAIN in getattr(owner, "key", "")  # a store has its file as key
    )


@contextmanager
def counted() -> Generator[Counter[str]]:
    """Count the states that are written within a block, by their entity."""
    written: Counter[str] = Counter()
    really = StateMachine.async_set_internal

    def write(machine: StateMachine, entity_id: str, *args: Any, **kwargs: Any) -> None:
        written[entity_id] += 1
        really(machine, entity_id, *args, **kwargs)

    with patch.object(StateMachine, "async_set_internal", write):
        yield written


async def fleet(hass: HomeAssistant, size: int, **options: object) -> None:
    """Set a site up, and have devices that are online and have reported."""
    await setup_site(hass, options=options)
    beats(hass, size)
    reports(hass, size, 1)
    last = f"sensor.monstro_{size - 1}_power"
    await until(lambda: (state := hass.states.get(last)) is not None and state.state == "1")
    await hass.async_block_till_done()


async def test_no_device_has_a_subscription_of_its_own(hass: HomeAssistant) -> None:
    await setup_site(hass)
    for_none = subscribed(hass)
    assert f"{SITE}/gateway/+/+" in for_none
    beats(hass, MANY)
    reports(hass, MANY, 1)
    await until(lambda: connectivity(hass, f"datalogger/T{MANY - 1}") == "on")
    assert subscribed(hass) == for_none


@pytest.mark.parametrize("size", [FEW, MANY])
async def test_there_is_one_timer_for_each_purpose_whatever_the_size(hass: HomeAssistant, size: int) -> None:
    await fleet(hass, size, data_interval=3600)
    reports(hass, size, 2)
    reports(hass, size, 3)  # all must wait with this one
    beats(hass, size)
    assert {name.partition(".")[0]: count for name, count in timers(hass).items()} == {
        "Watch": 1,
        "Digest": 1,
        "Slices": 1,
        "Store": 1,
        "_TrackTimeInterval": 2,  # each minute, and each ten seconds whether the first goes on
    }


async def test_a_heartbeat_writes_no_state_and_a_data_message_those_that_changed(hass: HomeAssistant) -> None:
    await fleet(hass, FEW)
    with counted() as written:
        beats(hass, FEW)
        reports(hass, FEW, 1)
        await hass.async_block_till_done()
        assert not written
        reports(hass, FEW, 2)
        assert written == {f"sensor.monstro_{number}_power": 1 for number in range(FEW)}


async def test_a_device_that_falls_silent_writes_each_of_its_entities_once(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    await fleet(hass, MANY)
    await advance(hass, freezer, 20)  # the events and counts of the discovery are through
    with counted() as written:
        await advance(hass, freezer, 11)
        await until(lambda: connectivity(hass, f"datalogger/T{MANY - 1}") == "off")
        await hass.async_block_till_done()
    devices = Counter({entity: count for entity, count in written.items() if ".monstro_" in entity})
    assert len(devices) == 3 * MANY
    assert set(devices.values()) == {1}
    assert len(written) - len(devices) <= 6  # the site's own
