"""Fixtures of the rooms of a site."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import Event, HomeAssistant, callback
import pytest

from ..slow_motion import Clockwork, SlowMotion, without_echo


@pytest.fixture
def loop() -> Generator[SlowMotion]:
    loop = SlowMotion()
    yield loop
    loop.close()


@pytest.fixture
def site(loop: SlowMotion) -> Clockwork:
    return without_echo(loop)


@pytest.fixture
def proven(loop: SlowMotion) -> Clockwork:
    """A site whose first echo came through; whether further ones do is up to the test."""
    site = Clockwork(loop)
    site.beat("A")
    site.echo()
    site.asked.clear()
    return site


@pytest.fixture
def writes(hass: HomeAssistant) -> Callable[[], list[str]]:
    """Return a function that gives the entity ids of devices whose states were written since the last call, in order."""
    written: list[str] = []

    @callback
    def wrote(event: Event[Any]) -> None:
        if "monstro" in event.data["entity_id"]:
            written.append(event.data["entity_id"])

    @callback
    def every(_data: Any) -> bool:
        return True

    hass.bus.async_listen(EVENT_STATE_CHANGED, wrote)
    hass.bus.async_listen(EVENT_STATE_REPORTED, wrote, event_filter=every)

    def take() -> list[str]:
        taken = written.copy()
        written.clear()
        return taken

    return take
