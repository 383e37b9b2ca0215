"""Parts of the soak, shorter: hostile publishers, entries that come and go, and half a day of a small fleet."""

from __future__ import annotations

from collections.abc import Callable
import logging

import pytest

from soak.attack import SITE, flood, hostile
from soak.hostile import LARGE, LARGE_EVERY, TOPICS, Hostile
from soak.jumping import endurance
from soak.life_cycle import live
from soak.outcome import Outcome
from tests.harness import newest_only

from . import needs_broker

TURNS = 20  # of each of the seven things that are done to entries

type Measured = Callable[[Outcome], None]

pytestmark = [*needs_broker, newest_only]


def test_the_generator_sends_the_same_for_the_same_seed_and_all_that_it_says() -> None:
    first, second, other = (Hostile(SITE, seed=seed, honest=["HONEST"]) for seed in (1, 1, 2))
    messages = [next(first) for _ in range(5_000)]
    assert messages == [next(second) for _ in range(5_000)]
    assert messages != [next(other) for _ in range(5_000)]
    assert 1_500 < len({message.topic for message in messages}) <= TOPICS
    large = [message for message in messages if len(message.payload) >= LARGE[0]]
    assert len(large) >= 5_000 // LARGE_EVERY
    assert 300 < sum(message.retain for message in messages) < 700
    payloads = b"".join(message.payload for message in messages)
    for said in (b"\\ud800", b"\\u0000", b"HONEST", b"onerror", str(10**400).encode(), b"[" * 1_000, b'{"a":' * 500):
        assert said in payloads
    with pytest.raises(UnicodeDecodeError):
        payloads.decode()


@pytest.mark.timeout(240)
def test_honest_devices_live_on_among_50_000_hostile_messages(measured: Measured) -> None:
    measured(hostile(50_000))


@pytest.mark.timeout(240)
def test_a_flood_of_20_000_new_serials_ends_at_the_limit(measured: Measured) -> None:
    measured(flood(20_000))


@pytest.mark.timeout(300)
async def test_nothing_is_left_of_entries_that_came_and_went_140_times(
    measured: Measured,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("homeassistant.components.mqtt.client.INITIAL_SUBSCRIBE_COOLDOWN", 0.05)
    caplog.set_level(logging.WARNING)
    measured(await live(TURNS))
    assert not [
        record.getMessage()
        for record in caplog.records
        if "site_devices" in record.getMessage() + record.name
        and record.name not in ("asyncio", "homeassistant.loader")
    ]
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.timeout(180)
def test_half_a_day_is_accounted_for_to_the_last_message(measured: Measured) -> None:
    measured(endurance(hours=12, devices=50))
