"""Places: which devices are at an address, and which of them owns it.

In, from `fleet`: devices that arrive (are discovered, move or come online), leave and go offline. Out: a `DESCRIBED`
change for each whose name changes: the owner is named after the address, the others have their serial appended.

The owner is the online device that arrived last. While none is online the owner is kept; when it leaves, the next most
recent inherits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from .device import Change, ChangeKind, DeviceRecord


class Places:
    """The addresses of one site."""

    def __init__(self) -> None:
        """Start empty."""
        self._devices: dict[str, OrderedDict[str, DeviceRecord]] = {}  # by place, the owner last

    def restore(self, record: DeviceRecord) -> None:
        """Add a restored device to its address; the last one restored owns it."""
        self._devices.setdefault(record.place, OrderedDict())[record.key] = record

    def arrive(self, record: DeviceRecord) -> Sequence[Change]:
        """Add a device to its address; it becomes the owner if it is online."""
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
        """Remove a device from its address; if it owned it, the heir does."""
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
        """Let an online device at the address own it, if there is one: `record` has gone offline."""
        here = self._devices[record.place]
        heir = _heir(here) if len(here) > 1 else record
        return self.arrive(heir) if heir.online else ()

    def owns(self, record: DeviceRecord) -> bool:
        """Return whether a device owns its address."""
        here = self._devices.get(record.place)
        return not here or next(reversed(here)) == record.key

    def shared(self) -> list[list[DeviceRecord]]:
        """Return the devices at each shared address, the owner last."""
        # copied: the oldest Home Assistant saves from a thread
        return [devices for here in list(self._devices.values()) if len(devices := list(here.values())) > 1]

    def owners(self) -> list[str]:
        """Return the keys of the owners of shared addresses."""
        return [devices[-1].key for devices in self.shared()]


def _heir(here: OrderedDict[str, DeviceRecord]) -> DeviceRecord:
    """Return the last online device to arrive at an address, or just the last if none is online."""
    return next((device for device in reversed(here.values()) if device.online), next(reversed(here.values())))
