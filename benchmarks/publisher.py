"""Publisher: sends messages to a broker faster than anybody can read them, MQTT 3.1.1 at QoS 0 on a plain socket."""

from __future__ import annotations

from collections.abc import Iterable
import socket
from typing import Final

from paho.mqtt.client import MQTTMessage

_CONNECT: Final = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench"  # clean session, no keep-alive, id `bench`
_CONNACK: Final = 4  # bytes
_DISCONNECT: Final = b"\xe0\x00"


def publish(port: int, messages: Iterable[MQTTMessage]) -> None:
    """Send messages to the broker on a loopback port; return when it has taken them all."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_CONNECT)
        connection.recv(_CONNACK)
        connection.sendall(b"".join(map(packet, messages)) + _DISCONNECT)
        connection.recv(1)  # until it closes the connection


def packet(message: MQTTMessage) -> bytes:
    """Return a message as it goes over the wire."""
    topic = message.topic.encode()
    body = len(topic).to_bytes(2) + topic + message.payload
    return b"\x30" + _length(len(body)) + body


def _length(value: int) -> bytes:
    """Return a length in seven bits a byte, the lowest first, all but the last with the eighth bit set."""
    head, rest = value % 128, value // 128
    return bytes([head | 128]) + _length(rest) if rest else bytes([head])
