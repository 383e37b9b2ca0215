"""Home Assistant's websocket interface: a question with its answer, and changes of state as they happen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


class Socket:
    """A conversation that is logged in already."""

    def __init__(self, stream: aiohttp.ClientWebSocketResponse) -> None:
        """Take over a stream."""
        self._stream = stream
        self._last_id = 0

    async def ask(self, command: str, **fields: Any) -> Any:
        """Send a command and return its result; raises a RuntimeError if it failed."""
        self._last_id += 1
        await self._stream.send_json({"id": self._last_id, "type": command, **fields})
        while True:
            answer = await self._stream.receive_json()
            if answer.get("id") == self._last_id and answer["type"] == "result":
                if not answer["success"]:
                    raise RuntimeError(f"{command}: {answer['error']}")
                return answer["result"]

    async def changes(self) -> AsyncIterator[dict[str, Any]]:
        """Yield state changes until the connection is closed; it takes no other request from then on."""
        await self.ask("subscribe_events", event_type="state_changed")
        while True:
            message = await self._stream.receive_json()
            if message["type"] == "event":
                yield message["event"]["data"]


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[Socket]:
    """Open a conversation for the length of an `async with` block."""
    # No limit to the size of a message: the registries of 10,000 devices come in one piece.
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/api/websocket", max_msg_size=0) as stream:
        await stream.receive_json()
        await stream.send_json({"type": "auth", "access_token": token})
        if (answer := await stream.receive_json())["type"] != "auth_ok":
            raise RuntimeError(f"not logged in: {answer}")
        yield Socket(stream)


async def ask(url: str, token: str, command: str, **fields: Any) -> Any:
    """Ask one question in a conversation of its own."""
    async with connect(url, token) as socket:
        return await socket.ask(command, **fields)
