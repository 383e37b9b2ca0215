"""Publishers of ill will: whatever they send, the site goes on, keeps its limits, and says little."""

from __future__ import annotations

from collections.abc import Callable
import json

import pytest

from soak.attack import LINES, MB_MORE, SITE, flood, hostile
from soak.hostile import LARGE, LARGE_EVERY, TOPICS, Hostile
from soak.outcome import Outcome
from tests.harness import newest_only

from . import needs_broker

type Record = Callable[[str, object], None]

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
def test_honest_devices_live_on_among_50_000_hostile_messages(record_property: Record) -> None:
    attack = hostile(50_000)
    _record(attack, record_property)
    assert not attack.wrong


@pytest.mark.timeout(240)
def test_a_flood_of_20_000_new_serials_ends_at_the_limit(record_property: Record) -> None:
    attack = flood(20_000)
    _record(attack, record_property)
    assert not attack.wrong


def _record(attack: Outcome, record_property: Record) -> None:
    seen = attack.figures
    record_property("messages that reached the site", seen["received"])
    if "more" in seen:
        record_property(f"MB more than a subscriber that does nothing (at most {MB_MORE:.0f})", seen["more"])
    record_property("entities", seen["entities"])
    record_property(f"lines of ours in the log (at most {LINES})", seen["lines"])
    record_property("ignored", json.dumps(seen["ignored"]))
