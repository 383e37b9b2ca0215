"""Player: one contestant with a fleet of one size, in a process of its own.

Run as `python -m benchmarks.player CONTESTANT SIZE FOLDER PORT PROTOCOL`. It reads one request a line from stdin, a JSON
object of the name of a function of `Player` and its arguments, and answers each with a line of JSON: seconds, unless said
otherwise. Between two requests it is blocked, so that it takes nothing from another's measurement.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from pathlib import Path
import sys
import time
from typing import Final

from homeassistant.components import mqtt
from homeassistant.components.mqtt.models import ReceiveMessage
from homeassistant.core import callback

from . import home
from .contestants import CONTESTANTS
from .contestants.base import OFFLINE_AFTER
from .contestants.ours import Ours
from .traffic import devices, heartbeats, inputs

# Seconds between the leap of the clock and the deadline, so that the watch on the loop begins before it.
_BEFORE: Final = 0.1
_SHORTEST_DEADLINE: Final = 5  # seconds, the least that a user can set
BEGIN: Final = "bench/begin"  # topics around the messages that come over the wire
END: Final = "bench/end"


class Player:
    """Measures its contestant."""

    def __init__(self, at_home: home.Home, name: str, size: int) -> None:
        """Prepare the fleet."""
        self._home = at_home
        self._loop = at_home.hass.loop
        self._fleet = devices(size)
        self._heartbeats = heartbeats(self._fleet)
        self._contestant = CONTESTANTS[name](at_home, self._fleet)
        self._turn = 0

    async def start(self) -> None:
        """Begin to listen."""
        await self._contestant.start()

    async def introduce(self) -> dict[str, float]:
        """Make the fleet known: `seconds` until all entities are there, and the longest `stall`."""
        messages = self._contestant.introduction()
        await self._home.settle()
        begin = time.perf_counter()
        with self._home.turns.watched():
            await self._home.deliver(messages)
            await self._home.until(lambda: self._contestant.known)
            seconds = time.perf_counter() - begin
        return {"seconds": seconds, "stall": self._home.turns.longest}

    async def restart(self) -> float:
        """Begin to listen in a folder with a past, until all is there that an earlier run knew."""
        messages = [] if isinstance(self._contestant, Ours) else self._contestant.introduction()
        await self._home.settle()
        begin = time.perf_counter()
        await self._contestant.start()
        await self._home.deliver(messages)
        await self._home.until(lambda: self._contestant.known)
        return time.perf_counter() - begin

    async def quiet(self) -> None:
        """Let everybody be online, and everything be written that would be later."""
        await self._home.settle()
        await self._home.deliver(self._heartbeats)
        await self._home.save()

    async def heartbeat(self, at_least: int) -> float:
        """Return the time of a heartbeat of a known online device."""
        rounds = -(-at_least // len(self._fleet))
        await self._home.settle()
        await self._home.deliver(self._heartbeats)
        seconds = 0.0
        for _ in range(rounds):
            seconds += await self._home.deliver(self._heartbeats)
        return seconds / rounds / len(self._fleet)

    async def data(self, at_least: int) -> float:
        """Return the time of a message of ten leaves, of which one has changed."""
        rounds = -(-at_least // len(self._fleet))
        await self._home.settle()
        await self._home.deliver(self._heartbeats)
        seconds = 0.0
        for _ in range(rounds):
            messages = inputs(self._fleet, self._turn)
            self._turn += 1
            seconds += await self._home.deliver(messages)
        return seconds / rounds / len(self._fleet)

    async def silence(self) -> dict[str, float]:
        """Let all fall silent at one moment: the longest `stall`, and `seconds` from the deadline until all are shown so.

        And let all come back: the longest stall of that, `back`.
        """
        contestant, clock, turns = self._contestant, self._home.clock, self._home.turns
        await self._home.settle()
        with clock.stands():
            deadline = clock.time() + OFFLINE_AFTER
            await self._home.deliver(self._heartbeats)
            await self._home.until(lambda: contestant.online)
        await clock.leap(deadline - _BEFORE)
        with turns.watched():
            await self._home.until(lambda: contestant.silent)
            stall = turns.longest
        seconds = self._home.last_change - deadline
        await self._home.settle()
        with turns.watched():
            await self._home.deliver(self._heartbeats)
            await self._home.until(lambda: contestant.online)
        return {"stall": stall, "seconds": seconds, "back": turns.longest}

    async def real_time(self) -> float:
        """Return by how much the last of a fleet is late, whose deadlines all end at one moment: with no clock changed."""
        contestant = self._contestant
        assert isinstance(contestant, Ours) and contestant.entry
        entries = self._home.hass.config_entries
        options = dict(contestant.entry.options)
        entries.async_update_entry(contestant.entry, options={**options, "offline_after": _SHORTEST_DEADLINE})
        await self._home.settle()
        await self._home.deliver(self._heartbeats)
        await self._home.until(lambda: contestant.online)
        connected = self._home.client.connected
        for self._home.client.connected in (False, connected):  # all get one full deadline from now
            mqtt.client.async_dispatcher_send(
                self._home.hass, mqtt.const.MQTT_CONNECTION_STATE, self._home.client.connected
            )
        deadline = self._loop.time() + _SHORTEST_DEADLINE
        await asyncio.sleep(_SHORTEST_DEADLINE / 2)
        await self._home.until(lambda: contestant.silent)
        late = self._home.last_change - deadline
        entries.async_update_entry(contestant.entry, options=options)
        return late

    async def memory(self) -> int:
        """Return the bytes of memory that the process has, after everybody was heard."""
        await self._home.settle()
        await self._home.deliver(self._heartbeats)
        await self._home.settle()
        gc.collect()
        return _resident()

    async def listen(self) -> None:
        """Get ready for messages over the wire."""
        self._begun = self._loop.create_future()
        self._ended = self._loop.create_future()

        @callback
        def mark(message: ReceiveMessage) -> None:
            future = self._begun if message.topic == BEGIN else self._ended
            if not future.done():
                future.set_result(time.perf_counter())

        for topic in (BEGIN, END):
            await mqtt.async_subscribe(self._home.hass, topic, mark, encoding=None)
        await asyncio.sleep(2)  # Home Assistant subscribes a little later
        await self._home.settle()

    async def wire(self) -> float:
        """Return the seconds between two marks on the wire."""
        seconds = await self._ended - await self._begun
        self._begun, self._ended = self._loop.create_future(), self._loop.create_future()
        return float(seconds)

    async def save(self) -> None:
        """Write everything to disk."""
        await self._home.save()


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _play(name: str, size: str, folder: str, port: str, protocol: str) -> None:
    player = Player(await home.start(folder, int(port), protocol), name, int(size))
    while line := sys.stdin.readline():  # blocks on purpose
        what, arguments = json.loads(line)
        print(json.dumps(await getattr(player, what)(*arguments)), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("homeassistant").setLevel(logging.INFO)  # as Home Assistant does by default
    asyncio.run(_play(*sys.argv[1:]))
