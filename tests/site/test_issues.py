"""Issues: how often their causes are checked. What they are is in the tests of the repairs."""

from __future__ import annotations

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest

from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.fleet import Fleet
from custom_components.site_devices.site.budget import Budget
from custom_components.site_devices.site.data_entities import DataEntities

from .. import SITE, advance, deliver, heartbeat, lose_connection, regain_connection, setup_site

pytestmark = pytest.mark.usefixtures("broker", "quiet")


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each check of the causes: by how many devices there were."""
    checked: list[int] = []

    def replacements(fleet: Fleet, _now: float) -> list[object]:
        checked.append(len(fleet.records))
        return []

    monkeypatch.setattr(Fleet, "replacements", replacements)
    return checked


async def test_causes_are_checked_once_a_second_at_most_and_after_the_last_change(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await setup_site(hass)
    for number in range(50):
        await heartbeat(hass, f"gateway/{number}", f"G{number}")
    await advance(hass, freezer, 31)
    checked = count_checks(monkeypatch)
    site = entry.runtime_data
    for record in list(site.fleet.records.values()):
        site.async_remove(record)
        await advance(hass, freezer, 0.03)
    await advance(hass, freezer, 1)
    assert 2 <= len(checked) <= 3
    assert checked[0] == 49
    assert checked[-1] == 0


@pytest.mark.parametrize("many", ["refused values", "conflicts", "refused devices"])
async def test_what_goes_wrong_with_many_devices_is_told_once_a_second(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch, many: str
) -> None:
    """Each message of each device says it first: whatever is done for all of them is not done for each."""
    entry = await setup_site(hass, options={"max_devices": 60})
    for number in range(60):
        await heartbeat(hass, f"gateway/{number}", f"G{number}")
    monkeypatch.setattr(Budget, "has_room", lambda _: False)
    await advance(hass, freezer, 1.1)
    asked = dict.fromkeys(("conflicts", "replacements", "refused"), 0)

    def counted(room: type, name: str) -> None:
        original = getattr(room, name)

        def count(*args: object) -> object:
            asked[name] += 1
            return original(*args)

        monkeypatch.setattr(room, name, count)

    counted(Fleet, "conflicts")
    counted(Fleet, "replacements")
    counted(DataEntities, "refused")
    created: list[str] = []
    create = ir.async_create_issue

    def create_issue(*args: object, **kwargs: object) -> None:
        created.append(str(args[2]).partition("_")[2])
        create(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ir, "async_create_issue", create_issue)
    for turn in range(4):
        for number in range(60):
            device = {"serial_number": f"G{number}"}
            if many == "refused values":
                deliver(hass, f"{SITE}/gateway/{number}/input", {**device, f"x{turn}": 1})
            elif many == "conflicts":
                deliver(hass, f"{SITE}/gateway/{number + 1000 * (turn % 2)}/heartbeat", device)
            else:
                deliver(hass, f"{SITE}/gateway/{number}/heartbeat", {"serial_number": f"NEW{number}"})
    await hass.async_block_till_done()
    await advance(hass, freezer, 1.1)
    key = {"refused values": "data_limit", "conflicts": "conflict", "refused devices": "device_limit"}[many]
    assert 1 <= created.count(key) <= 2
    assert max(asked.values()) <= 2
    issue = ir.async_get(hass).issues[DOMAIN, f"{entry.entry_id}_{key}"]
    assert issue.translation_placeholders
    assert issue.translation_placeholders.get("count", "60") == "60"


@pytest.mark.parametrize("channel", ["input", "heartbeat"])
async def test_who_goes_on_being_refused_is_not_checked_each_second(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    entry = await setup_site(hass, options={"max_devices": 1})
    await heartbeat(hass, "gateway/1", "G1")
    monkeypatch.setattr(Budget, "has_room", lambda _: False)
    checked = count_checks(monkeypatch)
    serial = "G1" if channel == "input" else "NEW"
    for _ in range(20):
        deliver(hass, f"{SITE}/gateway/1/{channel}", {"serial_number": serial, "x": 1})
        await advance(hass, freezer, 1.1)
    assert len(checked) <= 2
    key = "data_limit" if channel == "input" else "device_limit"
    assert (DOMAIN, f"{entry.entry_id}_{key}") in ir.async_get(hass).issues


async def test_a_connection_lost_six_times_in_an_hour_is_told_until_an_hour_has_fewer(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)

    def told() -> bool:
        return ir.async_get(hass).async_get_issue(DOMAIN, f"{entry.entry_id}_unsteady_connection") is not None

    for _ in range(5):
        lose_connection(hass)
        await advance(hass, freezer, 10)
        regain_connection(hass)
        await advance(hass, freezer, 300)
    assert not told()
    lose_connection(hass)
    regain_connection(hass)
    await advance(hass, freezer, 2)
    assert told()
    await advance(hass, freezer, 3600 - 5 * 310 - 4)
    assert told()
    await advance(hass, freezer, 62)  # the first is more than an hour ago, which is checked once a minute
    assert not told()
