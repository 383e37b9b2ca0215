"""The MQTT connection of a fleet. It reconnects automatically, one second after a loss."""

import socket
import threading
from typing import Self

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

ANSWER_WITHIN = 10.0  # seconds for the broker's first answer
FLUSHES_WITHIN = 120.0


class BrokerError(Exception):
    """The broker can't be used; the message says why, and what to do."""


class Connection:
    """A connection to a broker."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 1883,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        client_id: str = "",
    ) -> None:
        """Prepare the client; `open` connects it."""
        self._where = f"{host}:{port}"
        self._host = host
        self._port = port
        self._answered = threading.Event()
        self._refusal: str | None = None
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls:
            self._client.tls_set()

    def __enter__(self) -> Self:
        """Connect."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    @property
    def is_up(self) -> bool:
        """Whether the broker is connected right now."""
        return self._client.is_connected()

    def open(self) -> None:
        """Connect.

        Raises:
            BrokerError: The broker can't be reached, refuses, or does not answer.

        """
        try:
            self._client.connect(self._host, self._port)
        except (OSError, ValueError) as error:
            raise BrokerError(
                f"No MQTT broker could be reached at {self._where} ({error}).\n"
                "Is it running there? Check --host and --port, and --tls if it wants encryption."
            ) from error
        self._client.loop_start()
        answered = self._answered.wait(ANSWER_WITHIN)
        if answered and self._refusal is None:
            return
        self.close()
        if self._refusal:
            raise BrokerError(
                f"The broker at {self._where} refused: {self._refusal}.\nCheck --username and --password."
            )
        raise BrokerError(
            f"{self._where} takes connections but does not answer as an MQTT broker.\nCheck --port, and --tls."
        )

    def close(self) -> None:
        """Disconnect, if connected."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str | bytes, *, qos: int = 0, retain: bool = False) -> bool:
        """Send a message; False means there is no connection, and a message at QoS 0 is lost."""
        return self._client.publish(topic, payload, qos, retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def flush(self) -> None:
        """Return when the broker has read all that was published.

        Raises:
            BrokerError: It has not, for two minutes.

        """
        last = self._client.publish("the/end", qos=1)  # answered when what came before was read
        last.wait_for_publish(FLUSHES_WITHIN)
        if not last.is_published():
            raise BrokerError(f"The broker at {self._where} does not take what is sent.")

    def _on_connect(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure and not self._answered.is_set():
            self._refusal = str(reason)
        self._answered.set()


def _send_at_once(client: Client, data: object, connection: object) -> None:
    """Disable Nagle's algorithm, because the times in the book are compared with arrivals."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
