"""A second fleet, as naive as can be: it goes through all that ever happened, keeps no queue, and looks at everything.

`test_fleet_machine.py` compares the real one with it. Written from the rules in prose, not from the code it checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
import math
from typing import Any

type Event = tuple[Any, ...]  # the name of a method of the model, and its arguments


@dataclass
class Device:
    """What the rules say of one device."""

    key: str
    address: str
    created: float
    said: dict[str, str]
    online: bool | None = None
    heard: float = 0.0
    last_heartbeat: float | None = None
    own: float | None = None  # deadline
    graced: bool = False
    arrived: float = math.inf
    rivals: dict[str, float] | None = None
    passes: list[tuple[float, str, str]] = field(default_factory=list)  # all its moves: when, from, to

    @property
    def category(self) -> str:
        """The category is the first half of the key."""
        return self.key.split("/")[0]

    @property
    def place(self) -> tuple[str, str]:
        """Where it is; gateways and dataloggers never are at the same place."""
        return self.category, self.address


class Model:
    """The truth after a list of events."""

    def __init__(self, events: Iterable[Event], *, site: float, max_devices: int) -> None:
        """Let it all happen again."""
        self.site = site
        self.max_devices = max_devices
        self.accept_new = True
        self.paused_since: float | None = 0
        self.devices: dict[str, Device] = {}
        self.deleted: list[str] = []
        self.came: list[str] = []  # who came to where it is, the last one last
        self.outcome: Any = None  # of the last event
        for name, *arguments in events:
            self.outcome = getattr(self, name)(*arguments)

    # What the rules say now

    def patience(self, device: Device) -> float:
        """A device's own deadline, otherwise the site's."""
        return self.site if device.own is None else device.own

    def next_deadline(self) -> float | None:
        """The earliest moment at which anything is due."""
        if self.paused_since is not None:
            return None
        due = [device.heard + self.patience(device) for device in self.devices.values() if device.online]
        due += [
            min(device.rivals.values()) + 5 * self.patience(device) for device in self.devices.values() if device.rivals
        ]
        return min(due, default=None)

    def at(self, place: tuple[str, str]) -> list[Device]:
        """Who is at a place, the one that it belongs to last."""
        return [self.devices[key] for key in self.came if self.devices[key].place == place]

    def name(self, device: Device) -> str:
        """What its page is called."""
        if "name" in device.said:
            return device.said["name"]
        name = device.address if device.category == "datalogger" else f"Gateway {device.address}"
        return name if self.at(device.place)[-1] is device else f"{name} ({device.key.split('/', 1)[1]})"

    def replacements(self, now: float) -> set[tuple[str, str]]:
        """Who went silent for good and whose place has been taken."""
        pairs = set()
        for new in self.devices.values():
            here = self.at(new.place)
            gone = [old for old in here if old.online is False and old.created < new.created]
            if here[-1] is new and new.online and now >= new.arrived + 2 * self.patience(new) and gone:
                pairs.add((gone[-1].key, new.key))
        return pairs

    # What happens

    def heartbeat(self, key: str, address: str, retained: bool, said: dict[str, str], now: float, wall: float) -> Any:
        """A heartbeat; return what it changed about its own device, or why it was ignored."""
        device = self.devices.get(key)
        if device is None:
            return self._discover(key, address, retained, said, now, wall)
        if retained:
            return "retained"
        changes = []
        if not device.online:
            changes.append("first_online" if device.online is None else "online")
            device.online = True
            device.arrived = now
            if device.address == address:
                self._come(device)
        if device.rivals is None and address != device.address:
            changes += self._move(device, address, now)
        elif device.rivals is not None and address in device.rivals:
            device.rivals[address] = now
        device.heard = now
        device.graced = False
        device.last_heartbeat = wall
        device.said |= said
        return changes

    def offline(self, key: str, now: float) -> None:
        """The fleet says that a device's deadline is over."""
        device = self.devices[key]
        assert self.paused_since is None
        assert device.online
        assert device.heard + self.patience(device) <= now
        device.online = False
        device.graced = False
        self._settle(device.place)

    def conflict_ended(self, key: str, now: float) -> list[str]:
        """The fleet says that a serial is alive at one address only."""
        device = self.devices[key]
        assert self.paused_since is None
        assert device.rivals
        silent = [address for address, heard in device.rivals.items() if heard + 5 * self.patience(device) <= now]
        assert silent
        last = max(device.rivals.values())
        survivors = [address for address, heard in device.rivals.items() if heard == last]
        device.rivals = None
        device.passes = []
        if device.address in survivors:
            return ["conflict_ended"]
        self._go(device, survivors[0])
        return ["conflict_ended", "moved"]

    def pause(self, since: float) -> None:
        """Nothing can be heard."""
        if self.paused_since is None:
            self.paused_since = since

    def resume(self, now: float) -> None:
        """All can be heard again."""
        if self.paused_since is None:
            return
        since, self.paused_since = self.paused_since, None
        self.interrupted(since, now, now)
        for device in self.devices.values():
            if device.arrived == math.inf:
                device.arrived = now

    def interrupted(self, since: float, until: float, now: float) -> None:
        """Nothing could be heard for a while: who has not had a full deadline since it was heard last gets it."""
        for device in self.devices.values():
            if device.online and device.heard < until:
                heard_meanwhile = not device.graced and device.heard > since
                device.heard = min(until, device.heard + until - since) if device.graced else now
                device.graced = not heard_meanwhile
            if device.rivals:
                device.rivals = {address: min(now, heard + until - since) for address, heard in device.rivals.items()}

    def set_site(self, seconds: float) -> None:
        """The user changes the site's deadline."""
        self.site = seconds

    def set_own(self, keys: list[str], seconds: float | None) -> None:
        """The user changes the deadline of some devices."""
        for key in keys:
            self.devices[key].own = seconds

    def set_limits(self, max_devices: int, accept_new: bool) -> None:
        """The user changes what may come in."""
        self.max_devices = max_devices
        self.accept_new = accept_new

    def remove(self, key: str) -> None:
        """The user deletes a device."""
        device = self.devices[key]
        self._forget(key)
        self.came.remove(key)
        del self.devices[key]
        self._settle(device.place)

    def replace(self, old_key: str, new_key: str) -> None:
        """The user says that new hardware goes on as an old device."""
        old, new = self.devices[old_key], self.devices[new_key]
        for device in (old, new):
            self.came.remove(device.key)
            del self.devices[device.key]
        self._settle(old.place)
        self._forget(old_key)
        self.devices[new_key] = Device(
            key=new_key,
            address=new.address,
            created=old.created,
            said=old.said | new.said,
            online=new.online,
            heard=new.heard,
            graced=new.graced,
            last_heartbeat=new.last_heartbeat,
            own=old.own,
            arrived=new.arrived,
        )
        self._come(self.devices[new_key])

    def restart(self, now: float) -> None:
        """Home Assistant starts again, with what was stored: for how long each was silent since its grace, and whose place it is."""
        until = now if self.paused_since is None else self.paused_since

        def rank(device: Device) -> tuple[bool, bool, float]:
            here = self.at(device.place)
            return device.online is True, len(here) > 1 and here[-1] is device, device.last_heartbeat or 0

        kept = sorted(self.devices.values(), key=rank)
        self.paused_since = 0
        self.devices = {
            device.key: Device(
                key=device.key,
                address=device.address,
                created=device.created,
                said=device.said,
                online=device.online,
                graced=device.graced,
                heard=-max(0, until - device.heard) if device.graced else 0,
                last_heartbeat=device.last_heartbeat,
                own=device.own,
                rivals=dict.fromkeys(device.rivals, 0.0) if device.rivals else None,
            )
            for device in kept
        }
        self.came = list(self.devices)

    # How

    def _discover(self, key: str, address: str, retained: bool, said: dict[str, str], now: float, wall: float) -> Any:
        if not self.accept_new:
            return "new_device"
        if retained and key in self.deleted:
            return "deleted"
        if retained and not len(self.devices) < self.max_devices / 2:
            return "retained"
        if not len(self.devices) < self.max_devices:
            return "full"
        device = self.devices[key] = Device(key, address, wall, dict(said))
        if not retained:
            device.online = True
            device.heard = device.arrived = now
            device.last_heartbeat = wall
            self.deleted = [other for other in self.deleted if other != key]
        self._come(device)
        return ["discovered"]

    def _move(self, device: Device, address: str, now: float) -> list[str]:
        device.passes.append((now, device.address, address))
        oldest = now - 5 * self.patience(device)
        between = [
            origin
            for at, origin, target in device.passes
            if at >= oldest and sorted((origin, target)) == sorted((device.address, address))
        ]
        if len(between) >= 3:
            device.rivals = {device.address: device.heard, address: now}
            self._go(device, between[0])
            return ["conflict"]
        device.arrived = now
        self._go(device, address)
        return ["moved"]

    def _go(self, device: Device, address: str) -> None:
        if device.address != address:
            left = device.place
            device.address = address
            self._come(device)
            self._settle(left)

    def _come(self, device: Device) -> None:
        self.came = [key for key in self.came if key != device.key]
        if device.online:
            self.came.append(device.key)
        else:
            self.came.insert(0, device.key)

    def _settle(self, place: tuple[str, str]) -> None:
        """What belongs to a silent device goes to the last to come of those alive."""
        here = self.at(place)
        alive = [device for device in here if device.online]
        if alive and not here[-1].online:
            self._come(alive[-1])

    def _forget(self, key: str) -> None:
        self.deleted = [*(other for other in self.deleted if other != key), key]
