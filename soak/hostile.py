"""What a hostile or broken publisher sends: the same for the same seed.

In: a seed and the serials of honest devices, to speak in their name. Out: messages without end. Valid MQTT, since the
broker drops the connection of a client that sends anything else; beyond that nothing is sacred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
from random import Random
from typing import Any, NamedTuple

TOPICS = 2_000  # distinct ones: Home Assistant remembers every topic that it has ever seen
LARGE_EVERY = 250
LARGE = (64_000, 1_000_000)  # bytes
_CHANNELS = ("heartbeat", "input", "output")

TEXTS = (
    "",
    " ",
    "ordinary",
    "<img src=x onerror=alert(1)>",
    "<script>document.title='owned'</script>",
    "![x](http://127.0.0.1:9/x.png)",
    "[click](javascript:alert(1))",
    "{{ states | count }}",
    "{% for i in range(10**9) %}x{% endfor %}",
    "{site} {0} %s %(x)s",
    "\u202egnirts\u202c \u2066\u200f\u200d",
    "../../../etc/passwd",
    "a/b%2Fc",
    "null",
    "None",
    "unavailable",
    "NaN",
    "1e400",
    "0x10",
    "１２",
    "'; DROP TABLE states; --",
    "\u0000\u0007\u001b[31m\r\n\t",
    "\ud800",
    "\udfff\ud800",
    "🜏" * 80,
    "Z̷̡̛" * 30,
    "x" * 64,
    "x" * 65,
    "x" * 5_000,
)
NUMBERS = (0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**400, 0.1, -0.0, 1e308, 5e-324)
UNITS = ("°C", "kWh", "W", "%", "V", "hPa", "furlong", "<b>", "", "°", "\ud800", "u" * 300)
TIMESTAMPS: tuple[Any, ...] = (
    "2025-10-17T10:00:00Z",
    "9999-12-31T23:59:59+14:00",
    "0000-00-00",
    "now",
    0,
    -1,
    10**30,
    1e300,
    True,
    [],
    {},
)
SERIALS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -7,
    1.5,
    2**63,
    10**100,
    [],
    {},
    ["a"],
    " ",
    " padded ",
    "0",
    "-0",
    "0.0",
    "A",
    "a",
)


class Message(NamedTuple):
    """One MQTT message."""

    topic: str
    payload: bytes
    retain: bool


class Hostile:
    """An endless iterator of messages against one site."""

    def __init__(self, site: str, *, seed: int, honest: Sequence[str] = ()) -> None:
        """Choose the topics; `honest` are serials to abuse now and then."""
        self._chance = Random(seed)
        self._site = site
        self._honest = honest
        self._topics = [self._topic(number) for number in range(TOPICS)]
        self._sent = 0

    def __iter__(self) -> Iterator[Message]:
        """Begin."""
        return self

    def __next__(self) -> Message:
        """Make the next message."""
        self._sent += 1
        payload = self._large() if self._sent % LARGE_EVERY == 0 else self._payload()
        return Message(self._chance.choice(self._topics), payload, self._chance.random() < 0.1)

    def _topic(self, number: int) -> str:
        """Most of them are valid, and so seen by whoever watches the site."""
        chance = self._chance
        text = self._level()
        channel = chance.choice(_CHANNELS) if chance.random() < 0.9 else chance.choice(("status", "HEARTBEAT", text))
        match number % 8:
            case 0:
                return f"{self._site}/gateway/{text}{number}/{channel}"
            case 1:
                return f"{self._site}/gateway/{number}/{channel}"
            case 2:
                return f"{self._site}/datalogger/{text}/{number}/{channel}"
            case 3:
                levels = chance.choice(
                    ("datalogger//1", "gateway/", "datalogger/a/b/c", "Gateway/1", "datalogger/a", "x")
                )
                return f"{self._site}/{levels}/{number % 50}/{channel}"
            case _:
                return f"{self._site}/datalogger/type{number % 7}/{number}/{channel}"

    def _level(self) -> str:
        """Text that is allowed in a topic."""
        text = self._chance.choice(TEXTS).encode("utf-8", "ignore").decode()
        return "".join(char for char in text if char.isprintable() and char not in "+#/")[:1_000] or "x"

    def _payload(self) -> bytes:
        chance = self._chance
        match chance.randrange(20):
            case 0:
                return chance.randbytes(chance.randrange(200))
            case 1:
                return b"[" * 100_000 if chance.random() < 0.02 else b'{"a":' * chance.randrange(1_100)
            case 2:
                whole = self._dump(self._device())
                return whole[: chance.randrange(len(whole))]
            case 3:
                return self._dump(self._value(3))
            case 4:
                return chance.choice(
                    (b"", b"null", b"NaN", b"{}", b"\xef\xbb\xbf{}", b"-", b"1", b'"', b"{'a':1}", b"\xff")
                )
            case 5:
                return b'{"serial_number":"twice","serial_number":' + self._dump(self._serial()) + b"}"
            case _:
                return self._dump(self._device())

    def _device(self) -> dict[str, Any]:
        """Make what looks like a device's message, in part."""
        chance = self._chance
        message: dict[str, Any] = {"serial_number": self._serial()}
        if chance.random() < 0.5:
            message["timestamp"] = chance.choice(TIMESTAMPS)
        for key in ("name", "manufacturer", "model", "sw_version", "firmware", "hw_version", "mac"):
            if chance.random() < 0.1:
                message[key] = self._scalar()
        for _ in range(chance.randrange(4)):
            message[f"leaf{chance.randrange(40)}" if chance.random() < 0.9 else chance.choice(TEXTS)] = self._value(2)
        return message

    def _serial(self) -> Any:
        chance = self._chance
        dice = chance.random()
        if dice < 0.6:
            return f"HOSTILE-{chance.randrange(1_500)}"
        if dice < 0.62 and self._honest:
            return chance.choice(self._honest)
        return chance.choice((*SERIALS, *TEXTS))

    def _scalar(self) -> Any:
        return self._chance.choice((*TEXTS, *NUMBERS, None, True, False))

    def _value(self, depth: int) -> Any:
        chance = self._chance
        match chance.randrange(8) if depth else 0:
            case 1:
                return {"value": self._scalar(), "unit": chance.choice(UNITS)}
            case 2:
                return [self._value(depth - 1) for _ in range(chance.randrange(4))]
            case 3:
                return {chance.choice(TEXTS): self._value(depth - 1) for _ in range(chance.randrange(4))}
            case 4:
                return {"value": self._value(depth - 1), "unit": self._value(depth - 1)}
            case _:
                return self._scalar()

    def _large(self) -> bytes:
        """Make a message of 64 KB to 1 MB, valid but for its size."""
        size = self._chance.randrange(*LARGE)
        message = self._device()
        match self._chance.randrange(4):
            case 0:
                message["text"] = "x" * size
            case 1:
                message["list"] = [0.5] * (size // 5)
            case 2:
                message |= {f"point{index}": index for index in range(size // 20)}
            case 3:
                message["deep"] = {"a": {"b": {"c": {f"k{index}": True for index in range(size // 14)}}}}
        return self._dump(message)

    @staticmethod
    def _dump(value: Any) -> bytes:
        """Write JSON that keeps lone surrogates, as escapes, and not a number too large for most readers."""
        return json.dumps(value).encode()
