"""Whether a site can be heard: connected, subscribed, and Home Assistant started."""

from __future__ import annotations

import gc
from unittest.mock import patch
import weakref

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.mqtt.const import DEFAULT_KEEPALIVE, MQTT_CONNECTION_STATE
from homeassistant.components.mqtt.models import ReceiveMessage
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_send
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.site_devices.subscription import LOSS_NOTICED_WITHIN, LOST_AFTER, Subscription, mqtt_is_loaded

from . import advance, lose_connection, publish, regain_connection

pytestmark = pytest.mark.usefixtures("broker", "quiet")

TOPIC = "sito_001/gateway/+/+"
SUBSCRIBE = "custom_components.site_devices.subscription.mqtt.async_subscribe"


class Listener:
    """A subscription, and what it told."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.payloads: list[object] = []
        self.listening: list[bool] = []
        self.lost: list[bool] = []
        self.subscription = Subscription(
            hass,
            on_message=lambda message: self.payloads.append(message.payload),
            on_listening=lambda: self.listening.append(self.subscription.listening),
            on_lost=lambda: self.lost.append(self.subscription.lost),
        )

    async def start(self) -> None:
        await self.subscription.async_start([TOPIC])
        self.listening.clear()


@pytest.fixture
async def listener(hass: HomeAssistant) -> Listener:
    return Listener(hass)


async def test_messages_arrive_as_bytes_whatever_they_are(hass: HomeAssistant, listener: Listener) -> None:
    await listener.start()
    await publish(hass, "sito_001/gateway/1/heartbeat", b"\xff{}")
    await publish(hass, "sito_002/gateway/1/heartbeat", b"for others")
    assert listener.payloads == [b"\xff{}"]
    listener.subscription.async_stop()


# Listening: silence means something


async def test_listening_begins_with_the_subscription_when_all_the_rest_is_there(
    hass: HomeAssistant, listener: Listener
) -> None:
    assert not listener.subscription.listening
    await listener.subscription.async_start([TOPIC])
    assert listener.subscription.listening
    assert listener.listening[-1] is True
    listener.subscription.async_stop()


async def test_listening_begins_with_home_assistant_started(hass: HomeAssistant, listener: Listener) -> None:
    hass.set_state(CoreState.starting)
    await listener.start()
    assert not listener.subscription.listening
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert listener.listening == [True]
    listener.subscription.async_stop()


async def test_listening_begins_with_the_connection(hass: HomeAssistant, listener: Listener) -> None:
    lose_connection(hass)
    await listener.start()
    assert not listener.subscription.listening
    regain_connection(hass)
    assert listener.listening == [True]
    listener.subscription.async_stop()


async def test_a_connection_that_comes_before_all_topics_are_subscribed_is_not_listened_on_yet(
    hass: HomeAssistant, listener: Listener
) -> None:
    async def subscribe(*_args: object, **_options: object) -> object:
        regain_connection(hass)
        assert listener.listening == []
        return lambda: None

    lose_connection(hass)
    with patch(SUBSCRIBE, subscribe):
        await listener.subscription.async_start([TOPIC])
    assert listener.listening[-1] is True
    listener.subscription.async_stop()


async def test_listening_ends_with_the_connection_and_begins_again_with_it(
    hass: HomeAssistant, listener: Listener
) -> None:
    await listener.start()
    lose_connection(hass)
    regain_connection(hass)
    lose_connection(hass)
    assert listener.listening == [False, True, False]
    listener.subscription.async_stop()


async def test_what_is_no_news_changes_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    """Least of all does it begin the wait for a lost connection again."""
    await listener.start()
    regain_connection(hass)
    lose_connection(hass)
    await advance(hass, freezer, LOST_AFTER - 1)
    lose_connection(hass)
    assert listener.listening == [False]
    await advance(hass, freezer, 1.1)
    assert listener.lost == [True]
    listener.subscription.async_stop()


async def test_the_late_end_of_a_former_client_is_no_end_of_the_connection(
    hass: HomeAssistant, broker: MqttMockHAClient, listener: Listener
) -> None:
    """MQTT was reloaded, perhaps for another broker; the connection to the old one is noticed to be gone only now."""
    await listener.start()
    assert broker.connected
    async_dispatcher_send(hass, MQTT_CONNECTION_STATE, False)
    assert listener.subscription.listening
    assert listener.listening == []
    listener.subscription.async_stop()


# Lost: what is known is no longer true


async def test_a_connection_is_lost_after_a_minute(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    await listener.start()
    await advance(hass, freezer, 61)
    assert listener.lost == []
    lose_connection(hass)
    await advance(hass, freezer, 59.9)
    assert not listener.subscription.lost
    await advance(hass, freezer, 0.2)
    assert listener.lost == [True]
    regain_connection(hass)
    assert listener.lost == [True, False]
    await advance(hass, freezer, 120)
    assert listener.lost == [True, False]
    listener.subscription.async_stop()


async def test_a_connection_that_is_back_within_a_minute_was_never_lost(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    await listener.start()
    for _ in range(3):
        lose_connection(hass)
        await advance(hass, freezer, 50)
        regain_connection(hass)
        await advance(hass, freezer, 1)
    assert listener.lost == []
    listener.subscription.async_stop()


async def test_a_connection_that_was_not_there_at_the_start_is_lost_after_a_minute_as_well(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    lose_connection(hass)
    await listener.start()
    await advance(hass, freezer, 59.9)
    assert not listener.subscription.lost
    await advance(hass, freezer, 0.2)
    assert listener.lost == [True]
    regain_connection(hass)
    assert listener.lost == [True, False]
    listener.subscription.async_stop()


async def test_what_is_known_is_shown_again_before_deadlines_run_again(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    told: list[str] = []
    subscription = Subscription(
        hass,
        on_message=lambda _: None,
        on_listening=lambda: told.append("listening"),
        on_lost=lambda: told.append("lost"),
    )
    await subscription.async_start([TOPIC])
    lose_connection(hass)
    await advance(hass, freezer, 61)
    told.clear()
    regain_connection(hass)
    assert told == ["lost", "listening"]
    subscription.async_stop()


def test_mqtt_itself_notices_a_loss_within_two_of_its_keepalives() -> None:
    """By default: what breaks here is a judgement on devices before MQTT reports a dead connection, or long after."""
    assert 0 < LOSS_NOTICED_WITHIN - 2 * DEFAULT_KEEPALIVE <= 10


# The end


async def test_a_stopped_one_tells_nothing_more(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    await listener.start()
    lose_connection(hass)
    listener.subscription.async_stop()
    await publish(hass, "sito_001/gateway/1/heartbeat", b"{}")
    await advance(hass, freezer, 61)
    regain_connection(hass)
    assert listener.payloads == []
    assert listener.listening == [False]
    assert listener.lost == []


async def test_stopped_before_home_assistant_started_it_hears_nothing_of_that(
    hass: HomeAssistant, listener: Listener
) -> None:
    hass.set_state(CoreState.starting)
    await listener.start()
    listener.subscription.async_stop()
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert listener.listening == []


async def test_an_unsubscribe_without_effect_does_no_harm(hass: HomeAssistant, listener: Listener) -> None:
    """So is the one from before a reload of MQTT, which then delivers to a stopped site for ever."""
    delivered: list[object] = []

    async def subscribe(_hass: HomeAssistant, _topic: str, received: object, *_: object, **__: object) -> object:
        delivered.append(received)
        return lambda: None

    with patch(SUBSCRIBE, subscribe):
        await listener.start()
    listener.subscription.async_stop()
    for received in delivered:
        received(ReceiveMessage("sito_001/gateway/1/heartbeat", b"{}", 0, False, TOPIC, 0.0))  # type: ignore[operator]
    assert len(delivered) == 1
    assert listener.payloads == []


async def test_what_was_subscribed_before_mqtt_refused_is_given_back(hass: HomeAssistant, listener: Listener) -> None:
    unsubscribed: list[str] = []

    async def subscribe(_hass: HomeAssistant, topic: str, *_: object, **__: object) -> object:
        if topic == "refused":
            raise HomeAssistantError
        return lambda: unsubscribed.append(topic)

    with patch(SUBSCRIBE, subscribe), pytest.raises(HomeAssistantError):
        await listener.subscription.async_start([TOPIC, "refused"])
    assert not listener.subscription.listening
    listener.subscription.async_stop()
    assert unsubscribed == [TOPIC]


async def test_a_stopped_one_listens_no_more_and_holds_nobody(hass: HomeAssistant) -> None:
    class Owner:
        def heard(self, *_: object) -> None:
            pass

    owner = Owner()
    kept = weakref.ref(owner)
    subscription = Subscription(hass, on_message=owner.heard, on_listening=owner.heard, on_lost=owner.heard)
    await subscription.async_start([TOPIC])
    assert subscription.listening
    subscription.async_stop()
    del owner
    gc.collect()
    assert kept() is None
    assert not subscription.listening


async def test_a_stopped_one_waits_for_no_loss_though_it_is_still_told_of_connections(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, listener: Listener
) -> None:
    with patch("custom_components.site_devices.subscription.mqtt.async_subscribe_connection_status") as subscribe:
        await listener.start()
    listener.subscription.async_stop()
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


async def test_what_changes_nothing_about_listening_is_not_told(hass: HomeAssistant, listener: Listener) -> None:
    hass.set_state(CoreState.starting)
    await listener.start()
    lose_connection(hass)
    regain_connection(hass)
    lose_connection(hass)
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await hass.async_block_till_done()
    assert listener.listening == []
    listener.subscription.async_stop()
