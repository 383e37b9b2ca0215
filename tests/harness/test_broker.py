"""The broker does what fault tests ask of it, and leaves nothing behind."""

from collections.abc import Callable, Iterator

import pytest

from harness.broker import Broker
from harness.waiting import until
from simulator.connection import BrokerError, Connection

from . import needs_mosquitto

pytestmark = [pytest.mark.usefixtures("socket_enabled"), needs_mosquitto]


@pytest.fixture
def broker(socket_enabled: None) -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


@pytest.mark.parametrize("end", [Broker.stop, Broker.kill])
def test_it_comes_back_on_the_same_port(broker: Broker, end: Callable[[Broker], None]) -> None:
    port = broker.port
    with Connection(broker.host, broker.port, client_id="probe") as connection:
        assert connection.publish("a", "b")
        end(broker)
        until(lambda: not connection.is_up)
        assert not connection.publish("a", "b")
        broker.start()
        assert broker.port == port
        until(lambda: connection.is_up)
    assert broker.connections("probe") == 2
    assert broker.connections("nobody") == 0


def test_a_frozen_broker_keeps_connections_and_answers_nobody(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.connection.ANSWER_WITHIN", 0.3)
    with Connection(broker.host, broker.port, client_id="steady") as connection:
        broker.freeze()
        with pytest.raises(BrokerError, match="does not answer"):
            Connection(broker.host, broker.port).open()
        assert connection.is_up
        broker.thaw()
        with Connection(broker.host, broker.port) as second:
            assert second.is_up
    assert broker.connections("steady") == 1


def test_users_need_their_password(socket_enabled: None) -> None:
    with Broker(users={"fleet": "secret"}, acl="user fleet\ntopic write sito_001/#\n") as broker:
        with Connection(broker.host, broker.port, username="fleet", password="secret") as connection:
            assert connection.is_up
        for password in ("wrong", None):
            with pytest.raises(BrokerError, match=r"refused.*\n.*--password"):
                Connection(broker.host, broker.port, username="fleet", password=password).open()
        with pytest.raises(BrokerError, match="refused"):
            Connection(broker.host, broker.port).open()


def test_encryption_is_not_given_up_where_the_broker_has_none(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="--tls"):
        Connection(broker.host, broker.port, tls=True).open()
