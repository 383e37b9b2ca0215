"""One MQTT subscription: what it hands over, and that it really ends."""

from __future__ import annotations

from collections.abc import Callable
import gc
from unittest.mock import patch
import weakref

from homeassistant.components import mqtt
from homeassistant.core import CALLBACK_TYPE, HomeAssistant
import pytest

from custom_components.site_devices.site.feed import OnMessage, async_subscribe

from .. import publish, subscribed

pytestmark = pytest.mark.usefixtures("broker", "quiet")

SUBSCRIBE = "custom_components.site_devices.site.feed.mqtt.async_subscribe"


async def subscribe_for_good(hass: HomeAssistant, on_message: OnMessage) -> CALLBACK_TYPE:
    """Subscribe as before a reload of MQTT, after which an unsubscribe has no effect."""
    subscribe = mqtt.async_subscribe

    async def subscribe_without_end(*args: object, **options: object) -> Callable[[], None]:
        await subscribe(*args, **options)  # type: ignore[arg-type]
        return lambda: None

    with patch(SUBSCRIBE, subscribe_without_end):
        return await async_subscribe(hass, "some/+", on_message)


async def test_a_message_is_handed_over_with_its_payload_as_bytes_whatever_it_is(hass: HomeAssistant) -> None:
    messages: list[tuple[str, bytes, bool]] = []
    others = subscribed(hass)
    end = await async_subscribe(hass, "some/+", lambda *message: messages.append(message))
    await publish(hass, "some/topic", b"\xff{}")
    await publish(hass, "some/other", "{}", retain=True)
    await publish(hass, "another/topic", b"for others")
    assert messages == [("some/topic", b"\xff{}", False), ("some/other", b"{}", True)]
    end()
    await publish(hass, "some/topic", b"too late")
    assert len(messages) == 2
    assert subscribed(hass) == others


async def test_no_message_is_handed_over_after_an_unsubscribe_without_effect(hass: HomeAssistant) -> None:
    messages: list[bytes] = []
    end = await subscribe_for_good(hass, lambda _topic, payload, _retained: messages.append(payload))
    await publish(hass, "some/topic", b"in time")
    end()
    await publish(hass, "some/topic", b"too late")
    assert "some/+" in subscribed(hass)
    assert messages == [b"in time"]


async def test_nobody_is_held_after_an_unsubscribe_without_effect(hass: HomeAssistant) -> None:
    class Owner:
        def received(self, *_: object) -> None:
            pass

    owner = Owner()
    kept = weakref.ref(owner)
    end = await subscribe_for_good(hass, owner.received)
    del owner
    gc.collect()
    assert kept()
    end()
    gc.collect()
    assert kept() is None
