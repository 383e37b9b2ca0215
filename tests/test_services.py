"""The actions: what they do, what they answer, and what they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import timedelta
from pathlib import Path
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.auth.models import User
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import Context, HomeAssistant, ServiceCall, callback
from homeassistant.exceptions import ServiceValidationError, Unauthorized, UnknownUser
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
    service,
)
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser
import voluptuous as vol

from custom_components.site_devices import compat, services
from custom_components.site_devices.const import DOMAIN
from custom_components.site_devices.core.device import DeviceRecord

from . import deliver, setup_site
from .live_site import LiveSite

pytestmark = pytest.mark.usefixtures("broker", "quiet")

DAY = 86_400
NOBODYS = {"A": None, "B": None, "G": None}  # the deadlines of the three below: none has its own


@pytest.fixture
async def three(site: LiveSite) -> LiveSite:
    """A site with two dataloggers (A, B) and a gateway (G)."""
    await site.heartbeat("datalogger/monstro/1", "A")
    await site.heartbeat("datalogger/monstro/2", "B")
    await site.heartbeat("gateway/1", "G", name="Roof")
    return site


@pytest.fixture
async def other(hass: HomeAssistant, freezer: FrozenDateTimeFactory, three: LiveSite) -> LiveSite:
    """Another site, with a datalogger (C)."""
    other = LiveSite(hass, freezer, await setup_site(hass, "sito_002"))
    await other.heartbeat("datalogger/other/1", "C", site="sito_002")
    return other


async def act(site: LiveSite, action: str, context: Context | None = None, **data: Any) -> dict[str, Any]:
    """Call an action; return its answer."""
    answer: Any = await site.hass.services.async_call(
        DOMAIN, action, data, blocking=True, context=context, return_response=True
    )
    await site.hass.async_block_till_done()
    return answer


async def set_deadline(
    site: LiveSite, seconds: float | str = 60, context: Context | None = None, **target: Any
) -> list[Any]:
    """Set a deadline, and return the devices that got it."""
    answer = await act(site, "set_deadline", context, **target, seconds=seconds)
    assert answer.keys() == {"devices"}
    devices: list[Any] = answer["devices"]
    return devices


async def remove_offline(site: LiveSite, context: Context | None = None, **data: Any) -> list[Any]:
    """Delete devices that have been offline for a minute, if not told otherwise, and return them."""
    data = {"config_entry_id": site.entry.entry_id, "offline_for": 60, **data}
    answer = await act(site, "remove_offline", context, **data)
    assert answer == {"count": len(answer["devices"]), "devices": answer["devices"]}
    devices: list[Any] = answer["devices"]
    return devices


async def refusal(call: Awaitable[Any]) -> tuple[str | None, str]:
    """Await an action that refuses; return the key of the reason, and the reason itself."""
    with pytest.raises(ServiceValidationError) as refused:
        await call
    assert refused.value.translation_domain == DOMAIN
    return refused.value.translation_key, str(refused.value)


def ids(site: LiveSite, serials: str | list[str]) -> list[str]:
    """Return the pages of devices."""
    return [site.page(serial).id for serial in serials]


def serials(answer: list[Any]) -> list[str]:
    return [device["serial"] for device in answer]


def paged(site: LiveSite) -> set[str]:
    """Return the serials of the devices that have a page."""
    found = dr.async_entries_for_config_entry(dr.async_get(site.hass), site.entry.entry_id)
    return {device.serial_number for device in found if device.serial_number}


def foreign_page(hass: HomeAssistant, **identity: Any) -> dr.DeviceEntry:
    """Return the page of a device of another integration."""
    entry = MockConfigEntry(domain="elsewhere")
    entry.add_to_hass(hass)
    identity = identity or {"identifiers": {("elsewhere", "lamp", "left")}}
    return dr.async_get(hass).async_get_or_create(config_entry_id=entry.entry_id, name="Lamp", **identity)


def deadlines(site: LiveSite) -> dict[str, float | None]:
    """Return which devices of a site have a deadline of their own."""
    return {record.serial: record.offline_after for record in site.fleet.records.values()}


def target(site: LiveSite, by: str, chosen: str = "A") -> dict[str, Any]:
    """Return a target with dataloggers, in an area or with a label that other things are in or have as well."""
    connectivities = {"A": "binary_sensor.monstro_1_connectivity", "B": "binary_sensor.monstro_2_connectivity"}
    label = lr.async_get(site.hass).async_create("Night").label_id
    floor = fr.async_get(site.hass).async_create("Top").floor_id
    area = ar.async_get(site.hass).async_create("Roof", floor_id=floor).id
    for device_id in (*ids(site, chosen), site.page(None).id, foreign_page(site.hass).id):
        dr.async_get(site.hass).async_update_device(device_id, area_id=area, labels={label})
    targets: dict[str, Any] = {
        "device_id": ids(site, chosen),
        "entity_id": [connectivities[serial] for serial in chosen],
        "label_id": label,
        "area_id": area,
        "floor_id": floor,
    }
    return {by: targets[by]}


async def stay_silent(site: LiveSite, seconds: float) -> None:
    """Let time pass with nobody heard: in two steps, as an hour in one is an hour in which the loop was held."""
    await site.advance(31, seconds - 31)


# set_deadline


async def test_a_device_gets_a_deadline_of_its_own(three: LiveSite) -> None:
    (device_id,) = ids(three, "A")
    assert await set_deadline(three, device_id=device_id) == [
        {"name": "monstro/1", "serial": "A", "device_id": device_id, "deadline": 60}
    ]
    await three.advance(30.1)
    assert (three.connectivity("datalogger/A"), three.connectivity("datalogger/B")) == ("on", "off")
    await three.advance(29.8)
    assert three.connectivity("datalogger/A") == "on"
    await three.advance(0.2)
    assert three.connectivity("datalogger/A") == "off"


async def test_a_deadline_outlives_a_reload(three: LiveSite) -> None:
    await set_deadline(three, device_id=ids(three, "A"))
    await three.reload()
    assert deadlines(three) == {**NOBODYS, "A": 60}


async def test_zero_is_the_sites_deadline_again(three: LiveSite) -> None:
    await set_deadline(three, device_id=ids(three, "A"))
    await three.advance(40)
    (device,) = await set_deadline(three, 0, device_id=ids(three, "A"))
    assert device["deadline"] == 30
    assert deadlines(three)["A"] is None
    await three.advance(0)
    assert three.connectivity("datalogger/A") == "off"


@pytest.mark.parametrize("seconds", [5, 86_400, "120"])
async def test_bounds_are_included(three: LiveSite, seconds: Any) -> None:
    (device,) = await set_deadline(three, seconds, device_id=ids(three, "A"))
    assert device["deadline"] == int(seconds)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(4, "4"), (0.5, "0.5"), (86_401, "86401"), (-30, "-30"), (float("nan"), "nan"), (float("inf"), "inf")],
)
async def test_other_deadlines_are_refused(three: LiveSite, seconds: float, told: str) -> None:
    reason, text = await refusal(set_deadline(three, seconds, device_id=ids(three, "A")))
    assert reason == "deadline_out_of_range"
    assert f"A deadline of {told} seconds is not possible. Give 5 to 86400 seconds" in text
    assert deadlines(three) == NOBODYS


async def test_the_devices_of_several_sites(three: LiveSite, other: LiveSite) -> None:
    answer = await set_deadline(three, device_id=[*ids(other, "C"), *ids(three, "GA")])
    assert [device["name"] for device in answer] == ["monstro/1", "Roof", "other/1"]
    assert serials(answer) == ["A", "G", "C"]
    assert deadlines(three) == {**NOBODYS, "A": 60, "G": 60}
    assert deadlines(other) == {"C": 60}


@pytest.mark.parametrize("chosen", ["A", "AB"])
@pytest.mark.parametrize("by", ["device_id", "entity_id", "label_id", "area_id", "floor_id"])
async def test_a_target_may_hold_other_things_and_several_devices(three: LiveSite, by: str, chosen: str) -> None:
    assert serials(await set_deadline(three, **target(three, by, chosen))) == list(chosen)
    assert deadlines(three) == NOBODYS | dict.fromkeys(chosen, 60)


async def test_a_labelled_connectivity_stands_for_its_device(three: LiveSite) -> None:
    """But no other entity: who labels temperatures does not mean loggers."""
    await three.report("datalogger/monstro/2", "B", temperature=21)
    label = lr.async_get(three.hass).async_create("Night").label_id
    for entity_id in ("binary_sensor.monstro_1_connectivity", "sensor.monstro_2_temperature"):
        er.async_get(three.hass).async_update_entity(entity_id, labels={label})
    await set_deadline(three, label_id=label)
    assert deadlines(three) == {**NOBODYS, "A": 60}


async def test_a_target_without_devices_is_refused(three: LiveSite) -> None:
    empty = ar.async_get(three.hass).async_create("Cellar").id
    targets: list[dict[str, Any]] = [{}, {"area_id": empty}]
    targets += [{"entity_id": "all"}, {"entity_id": "none"}, {"device_id": "none"}]
    for nobody in targets:
        reason, text = await refusal(set_deadline(three, **nobody))
        assert reason == "no_device_targeted"
        assert "No datalogger or gateway is targeted." in text


async def test_what_is_not_ours_is_refused(three: LiveSite) -> None:
    hass = three.hass
    left = dr.async_get(hass).async_get_or_create(
        config_entry_id=three.entry.entry_id, identifiers={(DOMAIN, "sito_001/datalogger/LEFT")}, name="Nobody"
    )
    gone = foreign_page(hass, identifiers={(DOMAIN, "sito_404/datalogger/X")})
    er.async_get(hass).async_get_or_create("light", "elsewhere", "1", suggested_object_id="alone")
    dr.async_get(hass).async_update_device(gone.id, name_by_user="Left over")
    targets: list[tuple[dict[str, Any], str]] = [
        ({"device_id": foreign_page(hass).id}, "Lamp"),
        ({"device_id": gone.id}, "Left over"),
        ({"device_id": "nothing"}, "nothing"),
        ({"device_id": left.id}, "Nobody"),
        ({"entity_id": "light.alone"}, "light.alone"),
        ({"entity_id": "light.nowhere"}, "light.nowhere"),
    ]
    for what, name in targets:
        reason, text = await refusal(set_deadline(three, **what))
        assert reason == "not_a_site_device"
        assert f"{name} is not a datalogger or gateway" in text


async def test_one_wrong_device_and_nothing_is_done(three: LiveSite) -> None:
    (first, second) = ids(three, "AB")
    await refusal(set_deadline(three, device_id=[first, foreign_page(three.hass).id, second]))
    assert deadlines(three) == NOBODYS


@pytest.mark.parametrize("by", ["device_id", "entity_id"])
async def test_the_site_is_not_one_of_its_devices(three: LiveSite, by: str) -> None:
    itself: dict[str, Any] = {by: {"device_id": three.page(None).id, "entity_id": "event.sito_001_events"}[by]}
    reason, text = await refusal(set_deadline(three, **itself))
    assert reason == "site_device_targeted"
    assert "sito_001 is the site itself" in text


@pytest.mark.parametrize("by", ["device_id", "label_id"])
async def test_the_deadlines_of_a_site_that_is_not_loaded_cannot_be_set(three: LiveSite, by: str) -> None:
    a = target(three, by)
    await three.unload()
    reason, text = await refusal(set_deadline(three, **a))
    assert reason == "site_not_loaded"
    assert "The site sito_001 is not loaded." in text


async def test_a_disabled_site_is_left_out_unless_named(three: LiveSite, other: LiveSite) -> None:
    a = target(three, "label_id")
    (c,) = ids(other, "C")
    dr.async_get(three.hass).async_update_device(c, labels={a["label_id"]})
    await three.hass.config_entries.async_set_disabled_by(three.entry.entry_id, ConfigEntryDisabler.USER)
    await set_deadline(three, **a)
    assert deadlines(other) == {"C": 60}
    reason, _ = await refusal(set_deadline(three, device_id=ids(three, "A")))
    assert reason == "site_not_loaded"


async def test_the_target_by_the_name_it_had_at_first(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between both ends, the class that takes a target was called otherwise."""

    def extract(hass: HomeAssistant, target: dict[str, Any]) -> Any:
        return SimpleNamespace(
            referenced_devices=set(target["device_id"]), referenced=set(), indirectly_referenced=set()
        )

    module = SimpleNamespace(TargetSelectorData=dict, async_extract_referenced_entity_ids=extract)
    monkeypatch.setattr(compat, "_target", module)
    call = ServiceCall(hass, DOMAIN, "set_deadline", {"device_id": ["A"]})
    assert compat.target_of(hass, call) == ({"A"}, set(), set())


# Who may


@pytest.fixture
def guest(hass: HomeAssistant) -> MockUser:
    """Return a user who may control the connectivity of A, and nothing else."""
    user = MockUser(name="Guest").add_to_hass(hass)
    user.mock_policy({"entities": {"entity_ids": {"binary_sensor.monstro_1_connectivity": True}}})
    return user


def of(user: User | MockUser) -> Context:
    return Context(user_id=user.id)


@pytest.mark.parametrize("by", ["device_id", "entity_id", "label_id"])
async def test_a_read_only_user_sets_no_deadline(three: LiveSite, hass_read_only_user: User, by: str) -> None:
    context = of(hass_read_only_user)
    with pytest.raises(Unauthorized) as refused:
        await set_deadline(three, context=context, **target(three, by))
    assert refused.value.context is context
    told = (refused.value.entity_id, refused.value.permission)
    assert told == ("binary_sensor.monstro_1_connectivity", "control")
    assert deadlines(three) == NOBODYS


async def test_whoever_controls_one_device_sets_the_deadline_of_no_other(
    three: LiveSite, other: LiveSite, guest: MockUser
) -> None:
    """Not even of that one if another is targeted too: all rights are checked before anything is changed."""
    for chosen in (ids(three, "B"), ids(three, "AB"), ids(three, "A") + ids(other, "C")):
        with pytest.raises(Unauthorized):
            await set_deadline(three, context=of(guest), device_id=chosen)
    assert (deadlines(three), deadlines(other)) == (NOBODYS, {"C": None})
    await set_deadline(three, context=of(guest), device_id=ids(three, "A"))
    assert deadlines(three) == {**NOBODYS, "A": 60}


@pytest.mark.parametrize("by_guest", [False, True])
async def test_a_muted_device_may_be_controlled_like_others(three: LiveSite, guest: MockUser, by_guest: bool) -> None:
    await three.mute("A")
    await set_deadline(three, context=of(guest) if by_guest else None, device_id=ids(three, "A"))
    assert deadlines(three) == {**NOBODYS, "A": 60}


async def test_a_device_without_connectivity_is_for_administrators_and_automations(
    three: LiveSite, guest: MockUser, hass_admin_user: User
) -> None:
    """Home Assistant may have had no room for the entity."""
    er.async_get(three.hass).async_remove("binary_sensor.monstro_1_connectivity")
    with pytest.raises(Unauthorized):
        await set_deadline(three, context=of(guest), device_id=ids(three, "A"))
    assert deadlines(three) == NOBODYS
    for seconds, context in ((60, of(hass_admin_user)), (90, Context())):
        await set_deadline(three, seconds, context, device_id=ids(three, "A"))
        assert deadlines(three)["A"] == seconds


async def test_an_unknown_user_does_nothing(three: LiveSite) -> None:
    await three.advance(3600)
    context = Context(user_id="nobody")
    for call in (
        set_deadline(three, context=context, device_id=ids(three, "A")),
        remove_offline(three, context),
    ):
        with pytest.raises(UnknownUser) as refused:
            await call
        assert refused.value.context is context
    assert deadlines(three) == NOBODYS


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [("delete", {"A": 60, "G": None}), ("reload", {**NOBODYS, "A": 60, "B": 60}), ("unload", None)],
)
async def test_devices_that_go_while_rights_are_checked(
    three: LiveSite,
    guest: MockUser,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    expected: dict[str, float | None] | None,
) -> None:
    guest.mock_policy({"entities": True})

    async def in_slices(items: Iterable[Any]) -> AsyncIterator[Any]:
        for item in items:
            yield item
        if meanwhile == "delete":
            three.running.async_remove(three.fleet.records["datalogger/B"])
        elif meanwhile == "reload":
            await three.reload()
        else:
            await three.unload()

    monkeypatch.setattr(services, "in_slices", in_slices)
    call = set_deadline(three, context=of(guest), device_id=ids(three, "AB"))
    if expected is None:
        assert (await refusal(call))[0] == "site_not_loaded"
    else:
        assert [device["deadline"] for device in await call] == [60] * (len(expected) - 1)
        assert deadlines(three) == expected


class Turns:
    """The turns that others had in the event loop."""

    def __init__(self, hass: HomeAssistant) -> None:
        self.hass = hass
        self.had = 0

    def ask(self) -> None:
        """Let somebody else wait for a turn."""
        self.hass.loop.call_soon(self._take)

    def _take(self) -> None:
        self.had += 1


@pytest.fixture
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the event loop have a turn after each device."""
    monkeypatch.setattr("custom_components.site_devices.site.pacing.SLICE", -1)


@pytest.mark.usefixtures("unpaced")
async def test_the_rights_of_many_are_checked_without_holding_the_loop(site: LiveSite, guest: MockUser) -> None:
    await site.beat(*range(20))
    turns = Turns(site.hass)
    checked_at: list[int] = []

    def check(_entity_id: str, _permission: str) -> bool:
        checked_at.append(turns.had)
        turns.ask()
        return True

    guest.permissions = SimpleNamespace(check_entity=check)
    await set_deadline(site, context=of(guest), device_id=ids(site, [f"T{number}" for number in range(20)]))
    assert checked_at == list(range(20))
    assert set(deadlines(site).values()) == {60}


# remove_offline


async def test_only_what_was_silent_for_longer_is_deleted(three: LiveSite) -> None:
    heard = dt_util.utcnow()
    (device_id,) = ids(three, "A")
    await stay_silent(three, DAY)
    await three.heartbeat("datalogger/monstro/2", "B")
    await stay_silent(three, DAY)
    await three.heartbeat("gateway/1", "G")
    (gone,) = await remove_offline(three, offline_for={"hours": 36})
    assert abs(dt_util.parse_datetime(gone.pop("last_heartbeat"), raise_on_error=True) - heard) < timedelta(seconds=1)
    assert gone == {"name": "monstro/1", "serial": "A", "device_id": device_id}
    assert paged(three) == {"B", "G"}
    assert three.connectivity("datalogger/A") is None
    await three.advance(1)
    assert three.entity("devices_known", "sensor").state == "2"
    assert deadlines(three).keys() == {"B", "G"}

    await three.heartbeat("datalogger/monstro/1", "A")  # it was not dead after all
    assert three.connectivity("datalogger/A") == "on"


async def test_the_time_must_be_over(site: LiveSite) -> None:
    await site.heartbeat()
    await stay_silent(site, 3600)
    assert await remove_offline(site, offline_for="01:00:01", dry_run=True) == []
    assert serials(await remove_offline(site, offline_for=3599, dry_run=True)) == ["TEST123"]


async def test_a_device_that_never_lived_counts_from_its_discovery(site: LiveSite) -> None:
    await site.heartbeat(retain=True)
    await stay_silent(site, DAY)
    assert await remove_offline(site, offline_for={"days": 2}) == []
    (gone,) = await remove_offline(site, offline_for={"hours": 23})
    assert gone["last_heartbeat"] is None
    assert paged(site) == set()


@pytest.mark.parametrize(
    ("wall_when_heard", "wall_gained_since", "restarted"),
    [
        pytest.param(1000.0, 0, False, id="the clock had not been set"),
        pytest.param(1000.0, 0, True, id="the clock had not been set before a restart"),
        pytest.param(None, 365 * DAY, False, id="the clock jumped by a year"),
    ],
)
async def test_a_wrong_clock_deletes_nobody(
    site: LiveSite, wall_when_heard: float | None, wall_gained_since: float, restarted: bool
) -> None:
    with patch("time.time", return_value=wall_when_heard or time.time()):
        await site.heartbeat()
    await site.advance(31)
    if restarted:
        await site.reload()
    assert site.connectivity() == "off"
    with patch("time.time", return_value=time.time() + wall_gained_since):
        for dry_run in (True, False):
            assert await remove_offline(site, offline_for={"days": 30}, dry_run=dry_run) == []
    assert paged(site) == {"TEST123"}


@pytest.mark.parametrize(
    ("last_heartbeat", "created", "heard", "silent_for"),
    [
        (2e9 - 60, 2e9 - 90, 940.0, 60),  # both clocks agree
        (2e9 - 60, 2e9 - 90, 0.0, 60),  # heard in an earlier run only
        (2e9 - 60, 2e9 - 90, -20.0, 60),
        (2e9 - 9e6, 2e9 - 9e6, 969.0, 31),  # the clock on the wall jumped forward
        (2e9 - 31, 2e9 - 90, 10.0, 31),  # or back: the shorter silence counts
        (1000.0, 1000.0, 969.0, 31),  # it had not been set
        (1000.0, 2e9 - 90, 10.0, 990),
        (1000.0, 1000.0, 0.0, 0),
        (1000.0, 2e9 - 90, 0.0, 0),
        (None, 2e9 - 90, 0.0, 90),  # it never lived
        (None, 1000.0, 0.0, 0),
        (1735689600.0, 1e9, 0.0, 2e9 - 1735689600),  # the first moment of 2025
        (1735689599.0, 1e9, 0.0, 0),
    ],
)
def test_how_long_a_device_has_been_silent_at_least(
    last_heartbeat: float | None, created: float, heard: float, silent_for: float
) -> None:
    record = DeviceRecord(
        key="gateway/G", address="1", created=created, online=False, last_heartbeat=last_heartbeat, heard=heard
    )
    assert services.silence(record, now=1000.0, wall=2e9) == silent_for


async def test_an_online_device_is_never_deleted(three: LiveSite) -> None:
    await set_deadline(three, 86_400, device_id=ids(three, "A"))
    await stay_silent(three, 3600)
    assert serials(await remove_offline(three)) == ["B", "G"]
    assert paged(three) == {"A"}


async def test_a_muted_device_is_deleted_like_others(site: LiveSite) -> None:
    await site.heartbeat()
    await site.mute()
    await stay_silent(site, 3600)
    assert serials(await remove_offline(site)) == ["TEST123"]
    assert paged(site) == set()


async def test_a_dry_run_deletes_nothing(three: LiveSite, caplog: pytest.LogCaptureFixture) -> None:
    await stay_silent(three, 3600)
    dry = await remove_offline(three, dry_run=True)
    assert paged(three) == set("ABG")
    assert "deleted" not in caplog.text
    assert serials(dry) == list("ABG")
    assert await remove_offline(three) == dry
    assert paged(three) == set()
    assert "sito_001: deleted 3 devices that were offline for longer than 0:01:00" in caplog.text
    assert await remove_offline(three) == []
    assert caplog.text.count(": deleted ") == 1


async def test_only_administrators_delete(site: LiveSite, hass_read_only_user: User, hass_admin_user: User) -> None:
    with pytest.raises(Unauthorized):
        await remove_offline(site, of(hass_read_only_user))
    assert await remove_offline(site, of(hass_admin_user)) == []


async def test_nothing_is_deleted_while_nothing_is_heard(site: LiveSite) -> None:
    await site.heartbeat()
    await stay_silent(site, 3600)

    await site.connect(up=False)
    reason, text = await refusal(remove_offline(site))
    assert reason == "site_not_heard"
    assert text.startswith("sito_001 can't be heard at the moment")
    await site.connect(up=True)

    await site.monitor("off")
    assert (await refusal(remove_offline(site)))[0] == "site_not_heard"
    await site.monitor("on")
    assert serials(await remove_offline(site)) == ["TEST123"]


async def test_nothing_is_deleted_of_an_entry_that_is_no_site(site: LiveSite) -> None:
    (mqtt,) = site.hass.config_entries.async_entries("mqtt")
    for entry_id in ("nothing", mqtt.entry_id):
        reason, text = await refusal(remove_offline(site, config_entry_id=entry_id))
        assert reason == "site_not_found"
        assert f"no site with the config entry ID {entry_id}." in text


async def test_nothing_is_deleted_of_a_site_that_is_not_loaded(site: LiveSite) -> None:
    await site.unload()
    assert (await refusal(remove_offline(site)))[0] == "site_not_loaded"


@pytest.mark.parametrize(
    "wrong", [{"offline_for": -60}, {"offline_for": "soon"}, {"dry_run": "perhaps"}, {"all": True}]
)
async def test_data_of_another_shape_is_refused(site: LiveSite, wrong: dict[str, Any]) -> None:
    with pytest.raises(vol.Invalid):
        await remove_offline(site, **wrong)


@pytest.mark.usefixtures("unpaced")
@pytest.mark.parametrize("meanwhile", ["comes back", "is deleted"])
async def test_a_device_that_changes_while_others_are_deleted(three: LiveSite, meanwhile: str) -> None:
    await stay_silent(three, 3600)
    (first,), record = ids(three, "A"), three.fleet.records["datalogger/B"]

    @callback
    def deleted(event: Any) -> None:
        if event.data["device_id"] != first:
            return
        if meanwhile == "comes back":
            deliver(three.hass, "sito_001/datalogger/monstro/2/heartbeat", {"serial_number": "B"})
        else:
            three.running.async_remove(record)

    stop = three.hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, deleted)
    assert serials(await remove_offline(three)) == ["A", "G"]
    stop()
    assert paged(three) == ({"B"} if meanwhile == "comes back" else set())


@pytest.mark.usefixtures("unpaced")
async def test_a_site_that_is_unloaded_while_devices_are_deleted(three: LiveSite) -> None:
    await stay_silent(three, 3600)
    closes = callback(lambda _event: setattr(three.running, "closed", True))
    stop = three.hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, closes)
    assert (await refusal(remove_offline(three)))[0] == "site_not_loaded"
    stop()
    assert paged(three) == {"B", "G"}


async def test_many_are_deleted_without_holding_the_loop(site: LiveSite) -> None:
    """Every few milliseconds others have their turn."""
    await site.beat(*range(20))
    await stay_silent(site, 3600)
    turns = Turns(site.hass)

    @callback
    def deleted(event: Any) -> None:
        site.freezer.tick(0.002)  # as long as it may take to delete one
        turns.ask()

    left_at: list[int] = []
    running = site.running
    remove = running.async_remove

    def remove_one(record: DeviceRecord) -> None:
        left_at.append(turns.had)
        remove(record)

    running.async_remove = remove_one
    stop = site.hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, deleted)
    assert len(await remove_offline(site)) == 20
    stop()
    # nobody's turn came while a slice lasted, and each slice was short
    assert 5 <= len(set(left_at)) < 20


# What Home Assistant shows of them


async def test_the_actions_are_there_before_any_site(hass: HomeAssistant) -> None:
    await async_setup_component(hass, DOMAIN, {})
    assert hass.services.async_services_for_domain(DOMAIN).keys() == {"set_deadline", "remove_offline"}


async def test_the_fields_of_the_actions_are_described(hass: HomeAssistant) -> None:
    await async_setup_component(hass, DOMAIN, {})
    described = (await service.async_get_all_descriptions(hass))[DOMAIN]
    texts = await async_get_translations(hass, "en", "services", {DOMAIN})
    file = load_yaml_dict(str(Path(services.__file__).with_suffix(".yaml")))
    expected = set()
    for action, description in file.items():
        assert described[action]["fields"].keys() == description["fields"].keys()
        parts = [action, *(f"{action}.fields.{field}" for field in description["fields"])]
        expected |= {f"component.{DOMAIN}.services.{part}.{text}" for part in parts for text in ("name", "description")}
    assert texts.keys() == expected
    # Home Assistant ignores a filter by device where an area or a label is chosen, and its checks refuse one
    assert described["set_deadline"]["target"].keys() == {"entity"}
