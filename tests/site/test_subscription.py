"""Whether a site can be heard: connected, subscribed, and Home Assistant started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
import gc
from unittest.mock import patch
import weakref

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mqtt.const import DEFAULT_KEEPALIVE, MQTT_CONNECTION_STATE
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_send
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.site_devices.site.subscription import (
    LOSS_NOTICED_WITHIN,
    LOST_AFTER,
    Subscription,
    mqtt_is_loaded,
)

from .. import advance, lose_connection, publish, regain_connection

pytestmark = pytest.mark.usefixtures("broker", "quiet")

TOPIC = "sito_001/gateway/+/+"
SUBSCRIBE = "custom_components.site_devices.site.feed.mqtt.async_subscribe"


class Listener:
    """A subscription, and what it told since its start."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.payloads: list[bytes] = []
        self.told: list[str] = []
        self.subscription = Subscription(
            hass,
            on_message=lambda _topic, payload, _retained: self.payloads.append(payload),
            on_listening=lambda: self.told.append("listening" if self.subscription.listening else "deaf"),
            on_lost=lambda: self.told.append("lost" if self.subscription.lost else "found"),
        )
        self.stop: Callable[[], None] = lambda: None

    async def start(self) -> None:
        self.stop = await self.subscription.async_start([TOPIC])
        self.told.clear()


@pytest.fixture
async def listener(hass: HomeAssistant) -> AsyncGenerator[Listener]:
    listener = Listener(hass)
    yield listener
    listener.stop()


async def start_home_assistant(hass: HomeAssistant) -> None:
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()


# Listening: silence means something


async def test_listening_begins_with_the_subscription_when_all_the_rest_is_there(listener: Listener) -> None:
    assert not listener.subscription.listening
    listener.stop = await listener.subscription.async_start([TOPIC])
    assert listener.told == ["listening"]


async def test_listening_begins_with_home_assistant_started(hass: HomeAssistant, listener: Listener) -> None:
    hass.set_state(CoreState.starting)
    await listener.start()
    assert not listener.subscription.listening
    await start_home_assistant(hass)
    assert listener.told == ["listening"]


async def test_listening_begins_with_the_connection(hass: HomeAssistant, listener: Listener) -> None:
    lose_connection(hass)
    await listener.start()
    assert not listener.subscription.listening
    regain_connection(hass)
    assert listener.told == ["listening"]


async def test_a_connection_that_comes_before_all_topics_are_subscribed_is_not_listened_on_yet(
    hass: HomeAssistant, listener: Listener
) -> None:
    async def subscribe(*_args: object, **_options: object) -> Callable[[], None]:
        regain_connection(hass)
        assert not listener.subscription.listening
        return lambda: None

    lose_connection(hass)
    with patch(SUBSCRIBE, subscribe):
        listener.stop = await listener.subscription.async_start([TOPIC])
    assert listener.told == ["listening"]


async def test_listening_ends_with_the_connection_and_begins_again_with_it(
    hass: HomeAssistant, listener: Listener
) -> None:
    await listener.start()
    lose_connection(hass)
    regain_connection(hass)
    lose_connection(hass)
    assert listener.told == ["deaf", "listening", "deaf"]


async def test_what_changes_nothing_about_listening_is_not_told(hass: HomeAssistant, listener: Listener) -> None:
    hass.set_state(CoreState.starting)
    await listener.start()
    lose_connection(hass)
    regain_connection(hass)
    lose_connection(hass)
    await start_home_assistant(hass)
    assert listener.told == []


async def test_a_loss_that_is_told_twice_changes_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    """Least of all does it begin the wait for a lost connection again."""
    await listener.start()
    regain_connection(hass)
    lose_connection(hass)
    await advance(hass, freezer, LOST_AFTER - 1)
    lose_connection(hass)
    assert listener.told == ["deaf"]
    await advance(hass, freezer, 1.1)
    assert listener.told == ["deaf", "lost"]


async def test_the_late_end_of_a_former_client_is_no_end_of_the_connection(
    hass: HomeAssistant, broker: MqttMockHAClient, listener: Listener
) -> None:
    """MQTT was reloaded, perhaps for another broker; the connection to the old one is noticed to be gone only now."""
    await listener.start()
    assert broker.connected
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    assert listener.subscription.listening
    assert listener.told == []


# Lost: what is known is no longer true


@pytest.mark.parametrize("there_before", [True, False])
async def test_a_connection_is_lost_after_a_minute(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener, there_before: bool
) -> None:
    if there_before:
        await listener.start()
        await advance(hass, freezer, 61)
        assert listener.told == []
        lose_connection(hass)
        listener.told.clear()
    else:
        lose_connection(hass)
        await listener.start()
    await advance(hass, freezer, 59.9)
    assert not listener.subscription.lost
    await advance(hass, freezer, 0.2)
    assert listener.told == ["lost"]
    regain_connection(hass)  # what is known is shown again before deadlines run again
    assert listener.told == ["lost", "found", "listening"]
    await advance(hass, freezer, 120)
    assert not listener.subscription.lost


async def test_a_connection_that_is_back_within_a_minute_was_never_lost(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    await listener.start()
    for _ in range(3):
        lose_connection(hass)
        await advance(hass, freezer, 50)
        regain_connection(hass)
        await advance(hass, freezer, 1)
    assert "lost" not in listener.told


def test_mqtt_itself_notices_a_loss_within_two_of_its_keepalives() -> None:
    """By default: what breaks here is a judgement on devices before MQTT reports a dead connection, or long after."""
    assert 0 < LOSS_NOTICED_WITHIN - 2 * DEFAULT_KEEPALIVE <= 10


# The end


async def test_a_stopped_subscription_tells_nothing_more(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    await listener.start()
    await publish(hass, "sito_001/gateway/1/heartbeat", b"in time")
    lose_connection(hass)
    listener.stop()
    await publish(hass, "sito_001/gateway/1/heartbeat", b"too late")
    await advance(hass, freezer, 61)
    regain_connection(hass)
    assert listener.payloads == [b"in time"]
    assert listener.told == ["deaf"]


async def test_a_subscription_that_was_stopped_before_home_assistant_started_hears_nothing_of_that(
    hass: HomeAssistant, listener: Listener
) -> None:
    hass.set_state(CoreState.starting)
    await listener.start()
    listener.stop()
    await start_home_assistant(hass)
    assert listener.told == []


@pytest.mark.parametrize("error", [HomeAssistantError, asyncio.CancelledError])
async def test_what_was_subscribed_before_a_failure_is_given_back(
    hass: HomeAssistant, listener: Listener, error: type[BaseException]
) -> None:
    unsubscribed: list[str] = []

    async def subscribe(_hass: HomeAssistant, topic: str, *_: object, **__: object) -> Callable[[], None]:
        if topic == "refused":
            raise error
        return lambda: unsubscribed.append(topic)

    with patch(SUBSCRIBE, subscribe), pytest.raises(error):
        await listener.subscription.async_start([TOPIC, "refused"])
    lose_connection(hass)
    assert unsubscribed == [TOPIC]
    assert listener.told == []


async def test_a_stopped_subscription_listens_no_more_and_nobody_holds_it(hass: HomeAssistant) -> None:
    subscription = Subscription(hass, on_message=print, on_listening=print, on_lost=print)
    stop = await subscription.async_start([TOPIC])
    assert subscription.listening
    stop()
    assert not subscription.listening
    kept = weakref.ref(subscription)
    del subscription, stop
    gc.collect()
    assert kept() is None


async def test_a_stopped_subscription_waits_for_no_loss_though_it_is_still_told_of_connections(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    with patch("custom_components.site_devices.site.subscription.mqtt.async_subscribe_connection_status") as subscribe:
        await listener.start()
    listener.stop()
    lose_connection(hass)
    subscribe.call_args.args[1](False)
    await advance(hass, freezer, LOST_AFTER + 1)
    assert not listener.subscription.lost


async def test_mqtt_is_loaded_only_once_its_entry_is(hass: HomeAssistant) -> None:
    (entry,) = hass.config_entries.async_entries("mqtt")
    assert isinstance(entry, MockConfigEntry)
    assert mqtt_is_loaded(hass)
    entry.mock_state(hass, ConfigEntryState.SETUP_RETRY)
    assert not mqtt_is_loaded(hass)
    entry.mock_state(hass, ConfigEntryState.LOADED)
