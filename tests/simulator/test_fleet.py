"""The fleet publishes by turns, obeys faults at once, and keeps a true book."""

import json
import threading
import time

import pytest

from harness.waiting import until
from simulator.devices import make_devices
from simulator.fleet import Fleet

DEVICES = make_devices("sito_001", dataloggers=3, gateways=1)
FIRST, SECOND, _, GATEWAY = DEVICES


class Wire:
    """Takes what a fleet publishes."""

    def __init__(self) -> None:
        self.up = True
        self.messages: list[tuple[str, dict[str, object]]] = []

    def __call__(self, topic: str, payload: str) -> bool:
        if self.up:
            self.messages.append((topic, json.loads(payload)))
        return self.up

    def count(self, topic: str) -> int:
        return sum(each == topic for each, _ in self.messages)


@pytest.fixture
def wire() -> Wire:
    return Wire()


def make(wire: Wire, *, interval: float = 0.1, data_every: int = 3) -> Fleet:
    return Fleet(DEVICES, wire, interval=interval, jitter=0.1, data_every=data_every)


def test_every_device_beats_and_the_book_agrees(wire: Wire) -> None:
    before = time.time()
    with make(wire) as fleet:
        until(lambda: wire.count(GATEWAY.topic("heartbeat")) >= 3)
    for device in DEVICES:
        assert wire.count(device.topic("heartbeat")) >= 2
        assert before <= fleet.book.last_heartbeat[device.serial].wall <= time.time()
        assert fleet.book.last_heartbeat[device.serial].monotonic <= time.monotonic()
    assert fleet.book.sent == len(wire.messages)
    assert fleet.book.counts["heartbeat"] == sum(topic.endswith("/heartbeat") for topic, _ in wire.messages)


def test_data_comes_first_at_once_and_then_less_often(wire: Wire) -> None:
    with make(wire) as fleet:
        until(lambda: fleet.book.counts["heartbeat"] >= 40)
    for device in DEVICES:
        sent = [topic for topic, _ in wire.messages if topic.startswith(device.topic(""))]
        assert sent[:3] == [device.topic("heartbeat"), device.topic("input"), device.topic("output")]
    assert fleet.book.counts["input"] == fleet.book.counts["output"]
    assert 0.3 < fleet.book.counts["input"] / fleet.book.counts["heartbeat"] < 0.5


def test_data_can_be_off(wire: Wire) -> None:
    with make(wire, data_every=0) as fleet:
        until(lambda: fleet.book.counts["heartbeat"] >= 8)
    assert fleet.book.counts["input"] == 0


def test_a_silenced_device_sends_nothing_and_the_others_go_on(wire: Wire) -> None:
    with make(wire) as fleet:
        until(lambda: wire.count(GATEWAY.topic("heartbeat")) >= 1)
        fleet.silence(FIRST.serial)
        silent_at, others = wire.count(FIRST.topic("heartbeat")), wire.count(SECOND.topic("heartbeat"))
        last = fleet.book.last_heartbeat[FIRST.serial]
        until(lambda: wire.count(SECOND.topic("heartbeat")) >= others + 3)
        assert wire.count(FIRST.topic("heartbeat")) == silent_at
        assert fleet.book.last_heartbeat[FIRST.serial] == last
        assert fleet.silent == {FIRST.serial}
        fleet.bring_back(FIRST.serial)
        assert wire.count(FIRST.topic("heartbeat")) == silent_at + 1
        until(lambda: wire.count(FIRST.topic("heartbeat")) >= silent_at + 3)


def test_bringing_back_what_is_not_silent_sends_nothing(wire: Wire) -> None:
    make(wire).bring_back(FIRST.serial)
    assert wire.messages == []


def test_everything_falls_silent(wire: Wire) -> None:
    with make(wire) as fleet:
        until(lambda: len(fleet.book.last_heartbeat) == len(DEVICES))
        fleet.silence_all()
        silent_at = len(wire.messages)
        time.sleep(0.25)
        assert len(wire.messages) == silent_at


def test_a_heartbeat_out_of_turn(wire: Wire) -> None:
    fleet = make(wire)
    fleet.silence_all()
    fleet.beat(GATEWAY.serial)
    assert [topic for topic, _ in wire.messages] == [GATEWAY.topic("heartbeat")]


def test_what_never_left_is_not_in_the_book(wire: Wire) -> None:
    fleet = make(wire)
    wire.up = False
    fleet.beat(FIRST.serial)
    assert fleet.book.counts["failed"] == 1
    assert fleet.book.sent == 0
    assert fleet.book.last_heartbeat == {}


def test_an_unknown_serial_is_an_error(wire: Wire) -> None:
    with pytest.raises(KeyError, match="nobody"):
        make(wire).silence(FIRST.serial, "nobody")


def test_it_has_stopped_when_the_last_message_is_handed_over() -> None:
    handed_over: list[str] = []

    def publish(topic: str, _payload: str) -> bool:
        begun.set()
        time.sleep(0.1)
        handed_over.append(topic)
        return True

    begun = threading.Event()
    fleet = Fleet([FIRST], publish, data_every=0)
    fleet.start()
    assert begun.wait(5)
    fleet.stop()
    assert handed_over == [FIRST.topic("heartbeat")]


def test_it_can_be_stopped_and_started_again(wire: Wire) -> None:
    fleet = make(wire)
    fleet.stop()
    for _ in range(2):
        wire.messages.clear()
        fleet.start()
        until(lambda: len(wire.messages) > 0)
        fleet.stop()
        stopped_at = len(wire.messages)
        time.sleep(0.15)
        assert len(wire.messages) == stopped_at
