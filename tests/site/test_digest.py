"""What is gathered into one event, when it leaves, and who is told what: on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homeassistant.helpers.json import json_bytes
import pytest

from custom_components.site_devices.core.device import Change, ChangeKind, DeviceRecord
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.site.digest import Digest

from ..slow_motion import OFFLINE_AFTER, SlowMotion, at

TEXTS = {
    f"event_{kind}_{number}": f"{kind}: {{count}} of {{site}}: {{devices}}"
    for kind in ChangeKind
    for number in ("one", "many")
}


class Told:
    """The events of a site, and what came of them."""

    def __init__(self, loop: SlowMotion) -> None:
        self.loop = loop
        self.began = loop.now
        self.sent: list[tuple[float, str, str]] = []  # when, of what kind, about whom
        self.attributes: list[dict[str, Any]] = []
        self.saved = 0
        self.fleet = Fleet(offline_after=OFFLINE_AFTER, max_devices=100)
        self.digest = Digest(loop, "*site*", self.fleet, self._describe, self._save)
        self.digest.sink = self._sink
        self.flush = self.digest.async_start(TEXTS, allowed=True)

    def changed(self, kind: ChangeKind, *records: DeviceRecord) -> None:
        for record in records:
            self.digest.async_handle(Change(record, kind))

    def review(self, *records: DeviceRecord) -> None:
        self.fleet.restore(records, ())
        self.digest.async_review()

    def falls_silent(self, *records: DeviceRecord) -> None:
        for record in records:
            record.online = False
        self.changed(ChangeKind.OFFLINE, *records)

    def comes_back(self, *records: DeviceRecord) -> None:
        for record in records:
            record.online = True
        self.changed(ChangeKind.ONLINE, *records)

    def kinds(self) -> Iterator[str]:
        """Return what was sent, as `offline AB`."""
        return (f"{kind} {devices}" for _, kind, devices in self.sent)

    def _describe(self, record: DeviceRecord) -> dict[str, Any]:
        return {"serial": record.serial, "name": record.serial}

    def _sink(self, kind: str, attributes: dict[str, Any]) -> None:
        devices = "".join(device["serial"] for device in attributes["devices"])
        self.sent.append((self.loop.now - self.began, kind, devices))
        self.attributes.append(attributes)

    def _save(self) -> None:
        self.saved += 1


@pytest.fixture
def told(loop: SlowMotion) -> Told:
    return Told(loop)


def device(serial: str, *, online: bool | None = True, told_offline: bool = False, muted: bool = False) -> DeviceRecord:
    return DeviceRecord(
        key=f"gateway/{serial}", address="1", created=0, online=online, told_offline=told_offline, muted=muted
    )


# When


def test_what_happens_within_a_window_is_one_event_of_each_kind(loop: SlowMotion, told: Told) -> None:
    told.changed(ChangeKind.MOVED, device("A"))
    loop.run(10)
    told.changed(ChangeKind.MOVED, device("B"))
    told.changed(ChangeKind.CONFLICT, device("C"))
    loop.run(4.9)
    assert told.sent == []
    loop.run(0.2)
    assert told.sent == [(at(15), "moved", "AB")]
    loop.run(20)
    assert told.sent[1:] == [(at(25), "conflict", "C")]
    assert loop.timers() == []


def test_a_kind_that_began_later_but_was_gathered_by_a_shorter_deadline_goes_first(
    loop: SlowMotion, told: Told
) -> None:
    told.changed(ChangeKind.MOVED, device("A"))
    told.fleet.set_site_offline_after(4)
    told.changed(ChangeKind.CONFLICT, device("B"))
    loop.run(20)
    assert told.sent == [(at(2), "conflict", "B"), (at(15), "moved", "A")]


def test_a_timer_that_comes_early_waits_for_the_end_of_the_window(loop: SlowMotion, told: Told) -> None:
    told.changed(ChangeKind.MOVED, device("A"))
    told.digest._window_over()
    loop.run(20)
    assert told.sent == [(at(15), "moved", "A")]


@pytest.mark.parametrize(("flushed", "first"), [(False, 15), (True, 0)], ids=["due at once", "flushed"])
def test_events_leave_two_milliseconds_apart(loop: SlowMotion, told: Told, flushed: bool, first: float) -> None:
    for kind in (ChangeKind.DISCOVERED, ChangeKind.MOVED, ChangeKind.CONFLICT):
        told.changed(kind, device("A"))
    if flushed:
        flush = loop.create_task(told.flush())
        loop.run(0.1)
        assert flush.done()
    else:
        loop.run(20)
    assert told.sent == [
        (at(first), "discovered", "A"), (at(first + 0.002), "moved", "A"), (at(first + 0.004), "conflict", "A"),
    ]  # fmt: skip
    assert loop.timers() == []


def test_a_flush_waits_for_nothing_after_the_last_event(loop: SlowMotion, told: Told) -> None:
    told.changed(ChangeKind.DISCOVERED, device("A"))
    flushed = loop.create_task(told.flush())
    loop.run()
    assert flushed.done()
    assert [kind for _, kind, _ in told.sent] == ["discovered"]


def test_an_event_that_fails_keeps_no_other_from_being_sent(loop: SlowMotion, told: Told) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    failures: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    told.changed(ChangeKind.MOVED, device("A"))
    sink, told.digest.sink = told.digest.sink, fail
    told.fleet.set_site_offline_after(4)
    told.changed(ChangeKind.CONFLICT, device("B"))
    loop.run(10)
    told.digest.sink = sink
    loop.run(10)
    assert list(told.kinds()) == ["moved A"]
    assert len(failures) == 1


def test_what_happens_after_the_flush_makes_no_event_and_leaves_no_timer(loop: SlowMotion, told: Told) -> None:
    told.changed(ChangeKind.MOVED, device("A"))
    assert loop.timers() == [at(told.began + 15)]
    loop.create_task(told.flush())
    loop.run()
    told.changed(ChangeKind.MOVED, device("B"))
    assert loop.timers() == []
    assert list(told.kinds()) == ["moved A"]


# Of whom


@pytest.mark.parametrize("muted", ["before", "meanwhile"])
@pytest.mark.parametrize("kind", [ChangeKind.DISCOVERED, ChangeKind.OFFLINE])
def test_muted_devices_make_no_event(loop: SlowMotion, told: Told, kind: ChangeKind, muted: str) -> None:
    records = [device(serial, online=False, muted=muted == "before") for serial in "AB"]
    told.changed(kind, *records)
    assert bool(loop.timers()) is (muted == "meanwhile")
    for record in records:
        record.muted = True
    loop.run(20)
    assert told.sent == []
    assert not records[0].told_offline
    assert told.saved == 0


def test_an_event_of_nobody_puts_no_other_off(loop: SlowMotion, told: Told) -> None:
    nobody = device("A")
    told.changed(ChangeKind.DISCOVERED, nobody)
    told.changed(ChangeKind.MOVED, device("B"))
    nobody.muted = True
    loop.run(20)
    assert told.sent == [(at(15), "moved", "B")]


def test_a_deleted_device_is_in_no_event(loop: SlowMotion, told: Told) -> None:
    records = [device("A"), device("B")]
    told.changed(ChangeKind.MOVED, *records)
    told.changed(ChangeKind.REMOVED, records[0])
    told.changed(ChangeKind.REMOVED, records[0])
    loop.run(20)
    assert list(told.kinds()) == ["moved B"]


# Told


def test_who_fell_silent_and_came_back_is_told_once_each_and_that_is_kept(loop: SlowMotion, told: Told) -> None:
    record = device("A")
    told.falls_silent(record)
    loop.run(20)
    assert record.told_offline
    assert told.saved == 1
    told.comes_back(record)
    loop.run(20)
    assert not record.told_offline
    assert told.saved == 2
    assert list(told.kinds()) == ["offline A", "online A"]


def test_other_events_are_told_of_nobody(loop: SlowMotion, told: Told) -> None:
    record = device("A", online=False)
    told.changed(ChangeKind.MOVED, record)
    loop.run(20)
    assert not record.told_offline
    assert told.saved == 0


@pytest.mark.parametrize(("online", "told_offline"), [(True, False), (False, True)], ids=["outage", "return"])
def test_what_is_over_within_the_window_is_no_event(
    loop: SlowMotion, told: Told, online: bool, told_offline: bool
) -> None:
    record = device("A", online=online, told_offline=told_offline)
    changes = [told.falls_silent, told.comes_back]
    for change in changes if online else reversed(changes):
        change(record)
        loop.run(10)
    loop.run(20)
    assert told.sent == []


def test_who_is_in_both_windows_is_told_what_is_true_at_the_end(loop: SlowMotion, told: Told) -> None:
    record, other = device("A"), device("B", online=False, told_offline=True)
    told.falls_silent(record)
    told.comes_back(other)
    record.told_offline = True  # it came back, of which the other window tells
    told.comes_back(record)
    loop.run(30)
    assert list(told.kinds()) == ["online BA"]


def test_an_event_tells_also_of_those_that_it_does_not_name(loop: SlowMotion, told: Told) -> None:
    records = [device(f"{number:02}") for number in range(30)]
    told.falls_silent(*records)
    loop.run(20)
    (attributes,) = told.attributes
    assert (attributes["count"], len(attributes["devices"])) == (30, 20)
    assert all(record.told_offline for record in records)


@pytest.mark.parametrize("online", [True, False])
def test_without_an_event_entity_nobody_is_told(
    loop: SlowMotion, told: Told, caplog: pytest.LogCaptureFixture, online: bool
) -> None:
    record = device("A", online=online, told_offline=online)
    told.digest.sink = None
    told.review(record)
    loop.run(20)
    assert record.told_offline is online
    assert not caplog.records


@pytest.mark.parametrize("offline", [True, False])
def test_who_was_told_what_is_true_opens_no_window(loop: SlowMotion, told: Told, offline: bool) -> None:
    record = device("A", online=not offline, told_offline=offline)
    told.changed(ChangeKind.OFFLINE if offline else ChangeKind.ONLINE, record)
    assert loop.timers() == []


def test_what_replaced_a_device_that_was_told_offline_is_told_online(loop: SlowMotion, told: Told) -> None:
    told.changed(ChangeKind.REPLACED, device("A", told_offline=True), device("B"))
    loop.run(20)
    assert list(told.kinds()) == ["replaced AB", "online A"]


def test_of_who_was_never_heard_nothing_is_told(loop: SlowMotion, told: Told) -> None:
    told.review(device("A", online=None), device("B"), device("C", online=False))
    loop.run(20)
    assert list(told.kinds()) == ["offline C"]


# While telling is not allowed


def test_nothing_is_gathered_before_it_is_allowed(loop: SlowMotion, told: Told) -> None:
    told.digest.async_start(TEXTS, allowed=False)
    record = device("A", online=False)
    told.changed(ChangeKind.OFFLINE, record)
    told.changed(ChangeKind.MOVED, record)
    assert loop.timers() == []
    told.digest.async_allow(True)
    told.review(record)
    loop.run(20)
    assert list(told.kinds()) == ["offline A"]


def test_when_it_ends_what_happened_is_told_at_once_and_what_lasts_later(loop: SlowMotion, told: Told) -> None:
    record = device("A")
    told.falls_silent(record)
    told.changed(ChangeKind.MOVED, record)
    loop.run(5)
    told.digest.async_allow(False)
    loop.run(100)
    assert told.sent == [(at(5), "moved", "A")]
    told.digest.async_allow(True)
    told.review(record)
    loop.run(20)
    assert list(told.kinds()) == ["moved A", "offline A"]


# What it says


def test_an_event_stays_below_what_the_recorder_keeps(loop: SlowMotion, told: Told) -> None:
    told.changed(ChangeKind.MOVED, *(device(f"{number:02}" + 250 * "x") for number in range(20)))
    loop.run(20)
    (attributes,) = told.attributes
    assert attributes["count"] == 20
    assert len(attributes["devices"]) == 17
    assert 13_000 < len(json_bytes(attributes)) <= 14_000
    assert attributes["message"].startswith(r"moved: 20 of \*site\*: 00xxx")
    assert attributes["message"].endswith("x …")


@pytest.mark.parametrize(("count", "text"), [(1, "one"), (2, "many"), (30, "many")])
def test_one_device_and_many_have_their_own_message(loop: SlowMotion, told: Told, count: int, text: str) -> None:
    told.digest.async_start({"event_moved_one": "one", "event_moved_many": "many"}, allowed=True)
    told.changed(ChangeKind.MOVED, *(device(str(number)) for number in range(count)))
    loop.run(20)
    assert told.attributes[0]["message"] == text
