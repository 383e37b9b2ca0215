"""A broker that ends the connection of whoever publishes what it must not: it is not provoked a third time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
import pytest

from harness.broker import Broker
from harness.cable import Cable
from harness.history import History
from tests import connectivity, setup_site

from . import Connection, Devices, make_device, site_of, until

OFFLINE_AFTER = 5
LIVE, DEAD = (make_device(f"gateway/{number}", f"GW-{number}") for number in (1, 2))
ENTITY = "binary_sensor.gateway_2_connectivity"
SLACK = 1.0  # seconds, for what was on its way and a busy machine


class Bouncer(Cable):
    """Stands between Home Assistant and the broker; while `strict` it ends a connection on which an echo is published."""

    strict = False
    bounced = 0

    async def forth(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while not self._is_forbidden(packet := await self._packet(source)):
                sink.write(packet)

    def _is_forbidden(self, packet: bytes) -> bool:
        forbidden = self.strict and packet[0] >> 4 == 3 and b"homeassistant/site_devices/" in packet
        self.bounced += forbidden
        return forbidden

    async def _packet(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(2)
        length = head[1] & 127
        while head[-1] > 127:
            head += await reader.readexactly(1)
            length |= (head[-1] & 127) << 7 * (len(head) - 2)
        return head + await reader.readexactly(length)


@pytest.fixture
async def bouncer(broker: Broker) -> AsyncGenerator[Bouncer]:
    async with Bouncer(broker.port) as bouncer:
        yield bouncer


@pytest.fixture
def mqtt_port(bouncer: Bouncer) -> int:
    """Let Home Assistant connect through the bouncer."""
    return bouncer.port


@pytest.mark.parametrize("live", [True, False], ids=["beside a live device", "a silent site"])
async def test_after_two_losses_nothing_is_published_until_the_entry_is_loaded_again(
    hass: HomeAssistant,
    mqtt_entry: ConfigEntry,
    devices: Devices,
    bouncer: Bouncer,
    record_property: Callable[[str, object], None],
    live: bool,
) -> None:
    """Beside a live device its messages make us probe; a silent site is asked, from a third of a deadline before it on.

    Then each loss may have hidden two thirds of a deadline, and the full one begins with the last: 7/3 in all.
    """
    bouncer.strict = live
    entry = await setup_site(hass, options={"offline_after": OFFLINE_AFTER})
    devices.alive |= {LIVE, DEAD} if live else {DEAD}
    await until(lambda: connectivity(hass, DEAD.key) == "on")
    if not live:
        await until(lambda: site_of(entry).watch.link.works)
        bouncer.strict = True
    history = History(hass)
    connection = Connection(hass)
    died = hass.loop.time()
    devices.alive.remove(DEAD)
    await until(lambda: connectivity(hass, DEAD.key) == "off")
    off = history.when(ENTITY, "off")
    listened = connection.seconds(died, off)
    record_property("s connected before it was off", round(listened, 1))
    assert OFFLINE_AFTER - SLACK < listened < 7 / 3 * OFFLINE_AFTER + SLACK
    assert bouncer.bounced == 2

    # from now on silence is what it seems to be
    devices.alive |= {LIVE, DEAD}
    await until(lambda: connectivity(hass, DEAD.key) == "on")
    await asyncio.sleep(OFFLINE_AFTER)
    devices.alive.clear()
    again = History(hass)
    await until(lambda: connectivity(hass, DEAD.key) == "off")
    assert again.when(ENTITY, "off") - site_of(entry).fleet.records[DEAD.key].heard == pytest.approx(
        OFFLINE_AFTER, abs=SLACK
    )
    assert bouncer.bounced == 2

    assert await hass.config_entries.async_reload(entry.entry_id)
    devices.alive.add(LIVE)
    await until(lambda: bouncer.bounced == 3)
