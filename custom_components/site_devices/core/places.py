"""Places: who is at an address, and to which of them it belongs.

In: devices that come, leave and fall silent. Out: a `DESCRIBED` change for each whose name that changes. An address belongs to
the device that came there last, of those alive there if any is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from .device import Change, ChangeKind, DeviceRecord


class Places:
    """The addresses of one site."""

    def __init__(self) -> None:
        """Start with nobody anywhere."""
        self._devices: dict[str, OrderedDict[str, DeviceRecord]] = {}  # by place, each with its owner last

    def restore(self, record: DeviceRecord) -> None:
        """Put a device of an earlier run at its address: whoever is restored last owns it."""
        self._devices.setdefault(record.place, OrderedDict())[record.key] = record

    def arrive(self, record: DeviceRecord) -> Sequence[Change]:
        """Put a device at its address, which becomes its own if it is alive."""
        here = self._devices.setdefault(record.place, OrderedDict())
        owner = next(reversed(here.values()), None)
        was_here = record.key in here
        here[record.key] = record
        here.move_to_end(record.key, last=record.online is True)
        if owner is None or owner is record or not record.online:
            return ()
        renamed = (owner, record) if was_here else (owner,)
        return [Change(each, ChangeKind.DESCRIBED) for each in renamed]

    def leave(self, record: DeviceRecord) -> Sequence[Change]:
        """Take a device away from its address."""
        here = self._devices[record.place]
        owned = next(reversed(here)) == record.key
        del here[record.key]
        if not here:
            del self._devices[record.place]
        if not here or not owned:
            return ()
        heir = _heir(here)
        here.move_to_end(heir.key)
        return (Change(heir, ChangeKind.DESCRIBED),)

    def hand_over(self, record: DeviceRecord) -> Sequence[Change]:
        """Give the address of a device that fell silent to one that is alive there."""
        heir = _heir(self._devices[record.place])
        return self.arrive(heir) if heir.online else ()

    def owns(self, record: DeviceRecord) -> bool:
        """Tell whether a device's address is its own."""
        here = self._devices.get(record.place)
        return not here or next(reversed(here)) == record.key

    def shared(self) -> list[list[DeviceRecord]]:
        """Return who shares each address that several have, its owner last."""
        # the oldest Home Assistant asks from a thread, while the loop goes on
        return [devices for here in list(self._devices.values()) if len(devices := list(here.values())) > 1]

    def owners(self) -> list[str]:
        """Return the keys of the devices that own an address that they share."""
        return [devices[-1].key for devices in self.shared()]


def _heir(here: OrderedDict[str, DeviceRecord]) -> DeviceRecord:
    """Return who of those at an address was the last to come: of those alive, if there are any."""
    return next((device for device in reversed(here.values()) if device.online), next(reversed(here.values())))
