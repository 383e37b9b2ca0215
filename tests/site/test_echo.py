"""The echo: what goes out, what comes back, and what a site makes of it."""

from __future__ import annotations

from collections.abc import Generator
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.site_devices.site.echo import Echo

from .. import advance, connectivity, heartbeat, lose_connection, publish, regain_connection, setup_site, subscribed
from .reports import site_with_device

pytestmark = pytest.mark.usefixtures("quiet", "broker")


@pytest.fixture
def refused(broker: MqttMockHAClient) -> Generator[list[str]]:
    """Let the broker swallow what we publish, as one does that is frozen or has a strict access list."""
    swallowed: list[str] = []

    async def swallow(_hass: HomeAssistant, topic: str, *_: object, **__: object) -> None:
        swallowed.append(topic)

    with patch("custom_components.site_devices.site.echo.mqtt.async_publish", swallow):
        yield swallowed


async def tick(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: int) -> None:
    """Let time pass second by second, so that the watch looks in between."""
    for _ in range(seconds):
        await advance(hass, freezer, 1)


async def test_an_echo_goes_out_below_home_assistants_own_prefix_and_is_not_kept(
    hass: HomeAssistant, broker: MqttMockHAClient
) -> None:
    entry = await setup_site(hass)
    broker.async_publish.reset_mock()
    await heartbeat(hass)
    ((topic, payload, qos, retain), _) = broker.async_publish.call_args
    assert topic == f"homeassistant/site_devices/{entry.entry_id}/echo"
    assert (len(payload), qos, retain) == (18, 0, False)
    assert entry.runtime_data.watch.link.works


async def test_what_somebody_else_sends_there_is_no_echo(hass: HomeAssistant, refused: list[str]) -> None:
    """Such as a second Home Assistant that was started from a copy of this one."""
    entry = await site_with_device(hass)
    assert len(refused) == 1
    await publish(hass, refused[0], "from another")
    assert not entry.runtime_data.watch.link.works


async def test_a_silent_site_is_offline_at_its_deadline(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await site_with_device(hass)
    for _ in range(30):
        await advance(hass, freezer, 0.99)
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 0.35)
    assert connectivity(hass) == "off"


async def test_where_no_echo_comes_through_a_silent_site_is_offline_at_its_deadline_as_well(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, refused: list[str]
) -> None:
    await setup_site(hass)
    for _ in range(5):
        await heartbeat(hass)
        await advance(hass, freezer, 3)
    assert len(refused) == 3
    await advance(hass, freezer, 26.9)
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 0.2)
    assert connectivity(hass) == "off"
    assert len(refused) == 3


async def test_a_frozen_broker_makes_nobody_offline(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, broker: MqttMockHAClient
) -> None:
    entry = await site_with_device(hass)
    assert entry.runtime_data.watch.link.works
    with patch.object(broker._mqttc, "publish", side_effect=HomeAssistantError):
        await tick(hass, freezer, 60)
    assert connectivity(hass) == "on"
    await heartbeat(hass)
    await tick(hass, freezer, 29)
    assert connectivity(hass) == "on"
    await tick(hass, freezer, 3)
    assert connectivity(hass) == "off"


async def test_a_connection_that_is_lost_at_last_stops_the_deadlines(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, broker: MqttMockHAClient
) -> None:
    await site_with_device(hass)
    with patch.object(broker._mqttc, "publish", side_effect=HomeAssistantError):
        await tick(hass, freezer, 40)
        lose_connection(hass)
        await tick(hass, freezer, 20)
    regain_connection(hass)
    await tick(hass, freezer, 29)
    assert connectivity(hass) == "on"
    await advance(hass, freezer, 1.1)
    assert connectivity(hass) == "off"


async def test_while_monitoring_is_off_nothing_is_asked(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, refused: list[str]
) -> None:
    entry = await setup_site(hass)
    entry.runtime_data.async_set_monitoring(False)
    await heartbeat(hass)
    await advance(hass, freezer, 60)
    assert refused == []


async def test_a_stopped_echo_is_not_sent_and_not_heard(hass: HomeAssistant, refused: list[str]) -> None:
    entry = await setup_site(hass)
    heard: list[int] = []
    echo = Echo(hass, entry)
    others = subscribed(hass)
    stop = await echo.async_start(heard.append)
    assert len(subscribed(hass)) == len(others) + 1
    await publish(hass, echo._topic, echo._token + b" 7")
    stop()
    assert subscribed(hass) == others
    await publish(hass, echo._topic, echo._token + b" 8")
    echo.async_send(9)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert heard == [7]
    assert refused == []


async def test_an_echo_is_not_sent_in_the_middle_of_what_asks_for_it(hass: HomeAssistant, refused: list[str]) -> None:
    """Its answer would come before its number is noted."""
    echo = Echo(hass, await setup_site(hass))
    echo.async_send(1)
    assert refused == []
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(refused) == 1


async def test_nobody_else_can_make_an_echo(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    tokens = {Echo(hass, entry)._token for _ in range(10)}
    assert len(tokens) == 10
