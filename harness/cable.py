"""A cable to a port on loopback that can be cut."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from .process import LOOPBACK


class Cable:
    """Carries what comes in on `port` to another port, inside an `async with` block and while it is not cut."""

    def __init__(self, target: int) -> None:
        """Prepare to carry to a port."""
        self.port = 0
        self._target = target
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Carry."""
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection, and make none."""
        self._whole = False
        for end in self._ends:
            end.close()

    def mend(self) -> None:
        """Let connections be made again."""
        self._whole = True

    async def forth(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry from whoever has connected to the target; the connection ends when this returns."""
        await self._carry(source, sink)

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        ends = {back}
        if self._whole:
            far, forth = await asyncio.open_connection(LOOPBACK, self._target)
            ends.add(forth)
            self._ends |= ends
            ways = [asyncio.create_task(way) for way in (self.forth(near, forth), self._carry(far, back))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        self._ends -= ends
        for end in ends:
            end.close()

    @staticmethod
    async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
