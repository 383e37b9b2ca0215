"""Device: what must be told for the last thing told to be true."""

from __future__ import annotations

import pytest

from custom_components.site_devices.core.device import ChangeKind, DeviceRecord

ONLINE = ChangeKind.ONLINE
OFFLINE = ChangeKind.OFFLINE


@pytest.mark.parametrize(
    ("online", "told_offline", "pending_event"),
    [
        (None, False, None),
        (True, False, None),
        (True, True, ONLINE),
        (False, True, None),
        (False, False, OFFLINE),
    ],
)
def test_what_must_be_told_is_what_is_true_and_was_not_told_last(
    online: bool | None, told_offline: bool, pending_event: ChangeKind | None
) -> None:
    record = DeviceRecord(key="gateway/A", address="1", created=0, online=online, told_offline=told_offline)
    assert record.pending_event is pending_event
    record.muted = True
    assert record.pending_event is None
