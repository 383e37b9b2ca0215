"""The causes of issues: how often they are looked for. What they are is in the tests of the repairs."""

from __future__ import annotations

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest

from custom_components.site_devices.fleet import DeviceRecord, Fleet

from . import advance, heartbeat, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")


async def test_they_are_looked_for_once_a_second_at_most_and_after_the_last_change(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await setup_site(hass)
    for number in range(50):
        await heartbeat(hass, f"gateway/{number}", f"G{number}")
    await advance(hass, freezer, 31)
    looked: list[int] = []

    def replacements(fleet: Fleet, _now: float) -> list[tuple[DeviceRecord, DeviceRecord]]:
        looked.append(len(fleet.records))
        return []

    monkeypatch.setattr(Fleet, "replacements", replacements)
    site = entry.runtime_data
    for record in list(site.fleet.records.values()):
        site.async_remove(record)
        await advance(hass, freezer, 0.03)
    await advance(hass, freezer, 1)
    assert 2 <= len(looked) <= 3
    assert looked[0] == 49
    assert looked[-1] == 0
