"""A broker that ends the connection of whoever publishes what it must not: it is not provoked a third time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from demo.broker import Broker
from demo.process import LOOPBACK
from tests import connectivity, setup_site

from . import Connection, Device, Devices, History, site_of, until

OFFLINE_AFTER = 5
LIVE, DEAD = (Device(f"gateway/{number}", f"GW-{number}") for number in (1, 2))
ENTITY = "binary_sensor.gateway_2_connectivity"
SLACK = 1.0  # seconds, for what was on its way and a busy machine


class Bouncer:
    """Stands between Home Assistant and the broker; while `strict` it ends a connection on which an echo is published."""

    def __init__(self, target: int) -> None:
        self.strict = False
        self.bounced = 0
        self._target = target

    async def serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection(LOOPBACK, self._target)
        answers = asyncio.create_task(self._pass_on(far, back))
        with suppress(OSError, asyncio.IncompleteReadError):
            while not self._is_forbidden(packet := await self._packet(near)):
                forth.write(packet)
        answers.cancel()
        back.close()
        forth.close()

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

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)


@pytest.fixture
def bouncer(broker: Broker) -> Bouncer:
    return Bouncer(broker.port)


@pytest.fixture
async def mqtt_port(bouncer: Bouncer) -> AsyncGenerator[int]:
    """Let Home Assistant connect through the bouncer."""
    server = await asyncio.start_server(bouncer.serve, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await server.wait_closed()


@pytest.mark.parametrize("live", [True, False], ids=["beside a live device", "a silent site"])
async def test_after_two_losses_nothing_is_published_until_the_entry_is_loaded_again(
    hass: HomeAssistant,
    mqtt_entry: MockConfigEntry,
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
