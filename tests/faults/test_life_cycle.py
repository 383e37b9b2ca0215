"""Entries that come and go, while messages flow: what is closed is gone, whole."""

from __future__ import annotations

from collections.abc import Callable
import logging

import pytest

from soak.life_cycle import live
from tests.harness import newest_only

from . import needs_broker

TURNS = 20  # of each of the seven things that are done

pytestmark = [*needs_broker, newest_only]


@pytest.mark.timeout(300)
async def test_nothing_is_left_of_entries_that_came_and_went_140_times(
    record_property: Callable[[str, object], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("homeassistant.components.mqtt.client.INITIAL_SUBSCRIBE_COOLDOWN", 0.05)
    caplog.set_level(logging.WARNING)
    outcome = await live(TURNS)
    for what, figure in outcome.figures.items():
        record_property(what, figure)
    assert not outcome.wrong
    assert not [
        record.getMessage()
        for record in caplog.records
        if "site_devices" in record.getMessage() + record.name
        and record.name not in ("asyncio", "homeassistant.loader")
    ]
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
