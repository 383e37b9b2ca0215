"""Fleet against its model: whatever happens in whatever order, both say the same."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
import pytest

from custom_components.site_devices.core.device import Change, ChangeKind
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.core.protocol import Heartbeat, IgnoreReason, Info, Report

from .fleet_model import Event, Model
from .yard import restarted

KEYS = st.sampled_from(["datalogger/A", "datalogger/B", "datalogger/C", "datalogger/D", "gateway/A", "gateway/B"])
NUMBERS = st.sampled_from(["1", "2", "3"])
SAID = st.sampled_from([{}, {}, {}, {"name": "Roof"}, {"model": "M1"}, {"model": "M2", "name": "Cellar"}])
PATIENCE = st.sampled_from([5.0, 30.0, 45.0, 300.0])
SECONDS = st.sampled_from([0, 1, 4, 5, 10, 29, 30, 31, 60, 150, 1000])


def address_of(key: str, number: str) -> str:
    """Return an address as devices of this category have it."""
    return number if key.startswith("gateway") else f"monstro/{number}"


class FleetMachine(RuleBasedStateMachine):
    """A fleet, the site that drives it, and the list of what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0  # whole seconds, so that no sum is rounded
        self.ahead = 1e9  # of the wall clock
        self.fleet = Fleet(offline_after=30.0, max_devices=6)
        self.events: list[Event] = []
        self.known: Model | None = None

    @property
    def model(self) -> Model:
        if self.known is None:
            self.known = Model(self.events, site=30.0, max_devices=6)
        return self.known

    def happened(self, *event: Any) -> None:
        self.events.append(event)
        self.known = None

    def names(self) -> dict[str, str]:
        return {key: self.fleet.name(record) for key, record in self.fleet.records.items()}

    def check_told(self, changes: Sequence[Change], before: dict[str, str], *, own: str = "") -> None:
        """Check that every change of a name was told, and no device was called renamed without a reason."""
        names = self.names()
        told = {change.record.key for change in changes}
        assert {key for key, name in names.items() if before.get(key, name) != name} <= told
        for record, kind, _ in changes:
            if kind is ChangeKind.DESCRIBED and record.key != own and not record.info.name:
                assert before[record.key] != names[record.key]

    @initialize(start=st.booleans())
    def begin(self, start: bool) -> None:
        if start:
            self.resume()

    # What the wire says

    def hear_one(self, key: str, number: str, said: dict[str, str], *, retained: bool = False) -> None:
        wall = self.now + self.ahead
        address = address_of(key, number)
        before = self.names()
        info = Info(**said) if said else None
        self.happened("heartbeat", key, address, retained, said, self.now, wall)
        changes = self.fleet.heartbeat(Heartbeat(key, address, retained, None, info, {}), now=self.now, wall=wall)
        if isinstance(changes, IgnoreReason):
            assert changes == self.model.outcome
            assert self.names() == before
        else:
            kinds = [kind for record, kind, _ in changes if record.key == key and kind is not ChangeKind.DESCRIBED]
            assert kinds == self.model.outcome
            self.check_told(changes, before, own=key)

    @rule(key=KEYS, number=NUMBERS, said=SAID)
    def hear(self, key: str, number: str, said: dict[str, str]) -> None:
        self.hear_one(key, number, said)

    @rule(key=KEYS, number=NUMBERS, said=SAID)
    def hear_retained(self, key: str, number: str, said: dict[str, str]) -> None:
        self.hear_one(key, number, said, retained=True)

    @rule(seconds=SECONDS)
    def hear_all_where_they_are(self, seconds: int) -> None:
        self.silence(seconds)
        lengths = [len(queue) for queue in self.fleet.deadlines._queues.values()]
        for record in list(self.fleet.records.values()):
            steady = record.online and not record.rivals
            self.hear_one(record.key, record.address.rpartition("/")[2], {})
            if not steady:
                lengths = []
        if lengths:
            assert [len(queue) for queue in self.fleet.deadlines._queues.values()] == lengths

    @rule(key=KEYS, numbers=st.lists(NUMBERS, min_size=3, max_size=8), seconds=st.sampled_from([0, 1, 4, 40]))
    def hear_at_many_addresses(self, key: str, numbers: list[str], seconds: int) -> None:
        for number in numbers:
            self.hear_one(key, number, {})
            self.silence(seconds)

    @rule(key=KEYS, retained=st.booleans())
    def hear_a_report(self, key: str, retained: bool) -> None:
        before = {record.key: record.last_communication for record in self.fleet.records.values()}
        wall = self.now + self.ahead
        outcome = self.fleet.report(Report(key, "input", retained, {}), wall=wall)  # type: ignore[arg-type]
        if key not in self.model.devices:
            assert outcome is IgnoreReason.UNKNOWN_SERIAL
        else:
            record = self.fleet.records[key]
            assert outcome is record
            assert record.last_communication == (before[key] if retained else max(wall, record.last_heartbeat or 0))

    # What time does

    def apply_overdue(self) -> int:
        """Do what the site does when its timer is due; return how much that was."""
        applied = 0
        before = self.names()
        while changes := self.fleet.expire(self.now):
            record, kind, _ = changes[0]
            assert kind in (ChangeKind.OFFLINE, ChangeKind.CONFLICT_ENDED)
            self.happened(kind.value, record.key, self.now)
            if kind is ChangeKind.CONFLICT_ENDED:
                own = [kind for changed, kind, _ in changes if changed is record and kind is not ChangeKind.DESCRIBED]
                assert own == self.model.outcome
            self.check_told(changes, before)
            before = self.names()
            applied += 1
        left = self.model.next_deadline()
        assert left is None or left > self.now
        return applied

    @rule(seconds=SECONDS)
    def silence(self, seconds: int) -> None:
        """Time passes, and the timer wakes when it should."""
        end = self.now + seconds
        while (due := self.fleet.next_deadline()) is not None and due <= end:
            assert due == self.model.next_deadline()
            if due > self.now:
                assert self.fleet.expire(due - 0.5) == ()
                self.now = due
            assert self.apply_overdue() > 0
        self.now = end
        assert self.fleet.expire(self.now) == ()

    @rule(seconds=SECONDS)
    def a_busy_loop(self, seconds: int) -> None:
        """Time passes, and the timer does not get its turn yet."""
        self.now += seconds

    @rule(late=st.sampled_from([3, 10, 100]))
    def a_blind_loop(self, late: int) -> None:
        """The timer comes late: nothing could be heard in between."""
        due = self.fleet.next_deadline()
        if due is not None:
            self.now = max(self.now, due) + late
            self.happened("interrupted", due, self.now, self.now)
            self.fleet.interrupted(due, self.now, self.now)
            self.apply_overdue()

    @rule(length=SECONDS, ago=st.sampled_from([0, 0, 1, 5]))
    def a_blind_line(self, length: int, ago: int) -> None:
        """It is known a little later."""
        times = self.now - ago - length, self.now - ago, self.now
        self.happened("interrupted", *times)
        self.fleet.interrupted(*times)

    @rule(ahead=st.sampled_from([0.0, 1e9 - 3600, 1e9, 2e9]))
    def the_wall_clock_jumps(self, ahead: float) -> None:
        self.ahead = ahead

    @rule(ago=st.sampled_from([0, 0, 10]))
    def pause(self, ago: int) -> None:
        self.happened("pause", self.now - ago)
        self.fleet.pause(self.now - ago)
        assert self.fleet.next_deadline() is None
        assert self.fleet.expire(math.inf) == ()

    @rule()
    def resume(self) -> None:
        self.happened("resume", self.now)
        self.fleet.resume(self.now)
        self.apply_overdue()

    # What the user does

    @rule(seconds=PATIENCE)
    def change_the_sites_deadline(self, seconds: float) -> None:
        self.happened("set_site", seconds)
        self.fleet.set_site_offline_after(seconds)

    @precondition(lambda self: self.fleet.records)
    @rule(data=st.data(), seconds=PATIENCE | st.none())
    def change_the_deadline_of_some(self, data: st.DataObject, seconds: float | None) -> None:
        keys = data.draw(st.lists(st.sampled_from(sorted(self.fleet.records)), unique=True))
        self.happened("set_own", keys, seconds)
        self.fleet.set_offline_after(keys, seconds)

    @rule(max_devices=st.sampled_from([1, 2, 5, 6, 6]), accept_new=st.sampled_from([True, True, True, False]))
    def change_the_limits(self, max_devices: int, accept_new: bool) -> None:
        self.happened("set_limits", max_devices, accept_new)
        self.fleet.max_devices = max_devices
        self.fleet.accept_new = accept_new

    @precondition(lambda self: self.fleet.records)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.fleet.records)))
        before = self.names()
        self.happened("remove", key)
        self.check_told(self.fleet.remove(key), before)

    @precondition(lambda self: self.fleet.replacements(self.now))
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        old, new = data.draw(st.sampled_from(self.fleet.replacements(self.now)))
        before = self.names()
        former_key = old.key
        self.happened("replace", old.key, new.key)
        changes = self.fleet.replace(old, new)
        assert changes[:2] == ((new, ChangeKind.REMOVED, None), (old, ChangeKind.REPLACED, former_key))
        assert self.fleet.records[new.key] is old
        self.check_told(changes, before)

    @rule(now=st.sampled_from([1.0, 2000.0]))
    def restart(self, now: float) -> None:
        """Home Assistant, or the whole machine, starts again: the monotonic clock may begin anew."""
        self.fleet = restarted(self.fleet, self.now)
        self.happened("restart", self.now)
        self.now = now

    # What must always be true

    @invariant()
    def records_are_as_the_rules_say(self) -> None:
        truth = self.model.devices
        assert list(self.fleet.deleted) == self.model.deleted
        assert self.fleet.records.keys() == truth.keys()
        for key, record in self.fleet.records.items():
            device = truth[key]
            assert record.key == key
            assert record.online == device.online
            assert record.graced == device.graced
            assert record.address == device.address
            assert record.created == device.created
            assert record.last_heartbeat == device.last_heartbeat
            assert record.offline_after == device.own
            assert record.rivals == device.rivals
            assert record.info == Info(**device.said)
            assert self.fleet.name(record) == self.model.name(device)

    @invariant()
    def the_next_deadline_is_exact(self) -> None:
        assert self.fleet.next_deadline() == self.model.next_deadline()
        for record in self.fleet.records.values():
            if record.online:
                device = self.model.devices[record.key]
                assert self.fleet.deadlines.due(record) == device.heard + self.model.patience(device)

    @invariant()
    def the_queues_hold_just_the_online_devices_in_order(self) -> None:
        queued = [key for queue in self.fleet.deadlines._queues.values() for key in queue]
        assert sorted(queued) == sorted(key for key, device in self.model.devices.items() if device.online)
        for patience, queue in self.fleet.deadlines._queues.items():
            heard = [self.model.devices[key].heard for key in queue]
            assert heard == sorted(heard)
            for key, record in queue.items():
                assert record is self.fleet.records[key]
                assert self.model.patience(self.model.devices[key]) == patience

    @invariant()
    def every_address_has_one_owner(self) -> None:
        listed = sorted((place, key) for place, keys in self.fleet.places._devices.items() for key in keys)
        assert listed == sorted((record.place, record.key) for record in self.fleet.records.values())
        assert all(self.fleet.places._devices.values())

    @invariant()
    def what_others_ask(self) -> None:
        states = [device.online for device in self.model.devices.values()]
        assert self.fleet.counts() == (len(states), states.count(True), states.count(False))
        conflicts = {record.key for record in self.fleet.conflicts()}
        assert conflicts == {key for key, device in self.model.devices.items() if device.rivals}
        pairs = self.fleet.replacements(self.now)
        assert {(old.key, new.key) for old, new in pairs} == self.model.replacements(self.now)


TestFleetMachine = pytest.mark.timeout(600)(
    FleetMachine.TestCase
)  # to find the shortest example of a failure takes long
TestFleetMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
