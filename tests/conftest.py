"""Fixtures that all tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import timedelta
import logging
import signal
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

# the test package has a `custom_components` of its own: ours must be the one that is found
import custom_components.site_devices  # noqa: F401

from .live_site import begin, site  # noqa: F401


def pytest_configure() -> None:
    """Let what ends a run end it as Ctrl-C does: else brokers, Home Assistants and folders would be left behind."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


@pytest.fixture
async def enable_event_loop_debug() -> None:
    """Check the thread as the loop's debug mode does, and leave out its tracebacks: they take half of a test's time."""
    loop = asyncio.get_running_loop()

    def checked(call: Callable[..., Any]) -> Callable[..., Any]:
        def check_and_call(*args: Any, **kwargs: Any) -> Any:
            loop._check_thread()  # type: ignore[attr-defined]
            return call(*args, **kwargs)

        return check_and_call

    for name in ("call_soon", "call_at"):
        setattr(loop, name, checked(getattr(loop, name)))


@pytest.fixture
async def broker(
    enable_custom_integrations: None, hass: HomeAssistant, mqtt_mock: MqttMockHAClient
) -> AsyncGenerator[MqttMockHAClient]:
    """Give Home Assistant a mocked connection to a broker."""
    yield mqtt_mock
    # MQTT's own timer of one second would linger
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=2))
    await hass.async_block_till_done()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Generator[None]:
    """Let nothing pass that would stand in the user's log as a warning or an error because of us."""
    yield
    complaints = [
        f"{record.name}: {record.getMessage()}"
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.WARNING
        and record.name not in ("aiohttp_fast_zlib", "asyncio", "homeassistant.loader")
        and "not ready yet" not in record.msg  # how Home Assistant tells of a setup that it tries again
        and "No ACK from MQTT server" not in record.msg  # the mocked broker does not always answer within frozen time
    ]
    assert not complaints
