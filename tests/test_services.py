"""The actions: what they do, what they answer, and what they refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
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

from . import (
    advance,
    connectivity,
    deliver,
    entity_state,
    heartbeat,
    lose_connection,
    publish,
    regain_connection,
    setup_site,
)

pytestmark = pytest.mark.usefixtures("broker", "quiet")

DAY = 86_400


async def act(hass: HomeAssistant, action: str, context: Context | None = None, **data: Any) -> dict[str, Any]:
    """Call an action; return its answer."""
    answer: Any = await hass.services.async_call(
        DOMAIN, action, data, blocking=True, context=context, return_response=True
    )
    await hass.async_block_till_done()
    return answer


async def refusal(hass: HomeAssistant, action: str, **data: Any) -> tuple[str | None, str]:
    """Call an action that refuses; return the key of the reason, and the reason itself."""
    with pytest.raises(ServiceValidationError) as refused:
        await act(hass, action, **data)
    assert refused.value.translation_domain == DOMAIN
    return refused.value.translation_key, str(refused.value)


def page(hass: HomeAssistant, serial: str) -> dr.DeviceEntry:
    """Return a device's page by its serial; that of a site by its code."""
    registry = dr.async_get(hass)
    return next(
        device
        for entry in hass.config_entries.async_entries()
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
        if serial in (device.serial_number, device.name)
    )


def pages(hass: HomeAssistant, entry: MockConfigEntry) -> set[str]:
    """Return the serials of the devices that have a page."""
    found = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {device.serial_number for device in found if device.serial_number}


def foreign_page(hass: HomeAssistant, **identity: Any) -> dr.DeviceEntry:
    """Return the page of a device of another integration."""
    entry = MockConfigEntry(domain="elsewhere")
    entry.add_to_hass(hass)
    identity = identity or {"identifiers": {("elsewhere", "lamp", "left")}}
    return dr.async_get(hass).async_get_or_create(config_entry_id=entry.entry_id, name="Lamp", **identity)


def deadlines(entry: MockConfigEntry) -> dict[str, float | None]:
    """Return which devices of a site have a deadline of their own."""
    return {record.serial: record.offline_after for record in entry.runtime_data.fleet.records.values()}


async def stay_silent(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    """Let time pass with nobody heard: in two steps, as an hour in one is an hour in which the loop was held."""
    await advance(hass, freezer, 31)
    await advance(hass, freezer, seconds - 31)


async def two_loggers_and_a_gateway(hass: HomeAssistant) -> MockConfigEntry:
    entry = await setup_site(hass)
    await heartbeat(hass, "datalogger/monstro/1", "A")
    await heartbeat(hass, "datalogger/monstro/2", "B")
    await heartbeat(hass, "gateway/1", "G", name="Roof")
    return entry


# set_deadline


async def test_a_device_gets_a_deadline_of_its_own(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await two_loggers_and_a_gateway(hass)
    answer = await act(hass, "set_deadline", device_id=page(hass, "A").id, seconds=60)
    assert answer == {
        "devices": [{"name": "monstro/1", "serial": "A", "device_id": page(hass, "A").id, "deadline": 60}]
    }
    await advance(hass, freezer, 30.1)
    assert (connectivity(hass, "datalogger/A"), connectivity(hass, "datalogger/B")) == ("on", "off")
    await advance(hass, freezer, 29.8)
    assert connectivity(hass, "datalogger/A") == "on"
    await advance(hass, freezer, 0.2)
    assert connectivity(hass, "datalogger/A") == "off"


async def test_it_outlives_a_reload(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await act(hass, "set_deadline", device_id=page(hass, "A").id, seconds=60)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert deadlines(entry) == {"A": 60, "B": None, "G": None}


async def test_zero_is_the_sites_deadline_again(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await act(hass, "set_deadline", device_id=page(hass, "A").id, seconds=60)
    await advance(hass, freezer, 40)
    answer = await act(hass, "set_deadline", device_id=page(hass, "A").id, seconds=0)
    assert answer["devices"][0]["deadline"] == 30
    assert deadlines(entry)["A"] is None
    await advance(hass, freezer, 0)
    assert connectivity(hass, "datalogger/A") == "off"


@pytest.mark.parametrize("seconds", [5, 86_400, "120"])
async def test_bounds_are_included(hass: HomeAssistant, seconds: Any) -> None:
    await two_loggers_and_a_gateway(hass)
    answer = await act(hass, "set_deadline", device_id=page(hass, "A").id, seconds=seconds)
    assert answer["devices"][0]["deadline"] == int(seconds)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(4, "4"), (0.5, "0.5"), (86_401, "86401"), (-30, "-30"), (float("nan"), "nan"), (float("inf"), "inf")],
)
async def test_other_deadlines_are_refused(hass: HomeAssistant, seconds: float, told: str) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    reason, text = await refusal(hass, "set_deadline", device_id=page(hass, "A").id, seconds=seconds)
    assert reason == "deadline_out_of_range"
    assert f"A deadline of {told} seconds is not possible. Give 5 to 86400 seconds" in text
    assert deadlines(entry)["A"] is None


async def test_the_devices_of_several_sites(hass: HomeAssistant) -> None:
    first, second = await two_loggers_and_a_gateway(hass), await setup_site(hass, "sito_002")
    await heartbeat(hass, site="sito_002", serial="C")
    chosen = [page(hass, serial).id for serial in ("C", "G", "A")]
    answer = await act(hass, "set_deadline", device_id=chosen, seconds=60)
    assert [device["name"] for device in answer["devices"]] == ["monstro/1", "Roof", "monstro/1"]
    assert [device["serial"] for device in answer["devices"]] == ["A", "G", "C"]
    assert deadlines(first) == {"A": 60, "B": None, "G": 60}
    assert deadlines(second) == {"C": 60}


async def test_a_whole_type_by_its_label(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    label = lr.async_get(hass).async_create("Monstro").label_id
    for serial in ("A", "B"):
        dr.async_get(hass).async_update_device(page(hass, serial).id, labels={label})
    await act(hass, "set_deadline", label_id=label, seconds=60)
    assert deadlines(entry) == {"A": 60, "B": 60, "G": None}


@pytest.mark.parametrize("by", ["area_id", "floor_id"])
async def test_an_area_may_hold_other_things(hass: HomeAssistant, by: str) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    floor = fr.async_get(hass).async_create("Top")
    area = ar.async_get(hass).async_create("Roof", floor_id=floor.floor_id)
    ids = {page(hass, "A").id, page(hass, "sito_001").id, foreign_page(hass).id}
    for device_id in ids:
        dr.async_get(hass).async_update_device(device_id, area_id=area.id)
    target: dict[str, Any] = {by: {"area_id": area.id, "floor_id": floor.floor_id}[by]}
    answer = await act(hass, "set_deadline", **target, seconds=60)
    assert [device["serial"] for device in answer["devices"]] == ["A"]
    assert deadlines(entry) == {"A": 60, "B": None, "G": None}


async def test_an_entity_stands_for_its_device(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await act(hass, "set_deadline", entity_id="binary_sensor.monstro_1_connectivity", seconds=60)
    assert deadlines(entry) == {"A": 60, "B": None, "G": None}


async def test_a_labelled_connectivity_stands_for_its_device(hass: HomeAssistant) -> None:
    """But no other entity: who labels temperatures does not mean loggers."""
    entry = await two_loggers_and_a_gateway(hass)
    await publish(hass, "sito_001/datalogger/monstro/2/input", {"serial_number": "B", "temperature": 21})
    label = lr.async_get(hass).async_create("Night").label_id
    for entity_id in ("binary_sensor.monstro_1_connectivity", "sensor.monstro_2_temperature"):
        er.async_get(hass).async_update_entity(entity_id, labels={label})
    await act(hass, "set_deadline", label_id=label, seconds=60)
    assert deadlines(entry) == {"A": 60, "B": None, "G": None}


async def test_a_muted_device_too(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    device_id = page(hass, "A").id
    dr.async_get(hass).async_update_device(device_id, disabled_by=dr.DeviceEntryDisabler.USER)
    await hass.async_block_till_done()
    await act(hass, "set_deadline", device_id=device_id, seconds=60)
    assert deadlines(entry)["A"] == 60


async def test_no_device(hass: HomeAssistant) -> None:
    await two_loggers_and_a_gateway(hass)
    empty = ar.async_get(hass).async_create("Cellar").id
    for target in ({}, {"area_id": empty}, {"entity_id": "all"}, {"entity_id": "none"}, {"device_id": "none"}):
        reason, text = await refusal(hass, "set_deadline", **target, seconds=60)
        assert reason == "no_device_targeted"
        assert "No datalogger or gateway is targeted." in text


async def test_what_is_not_ours(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "sito_001/datalogger/LEFT")}, name="Nobody"
    )
    gone = foreign_page(hass, identifiers={(DOMAIN, "sito_404/datalogger/X")})
    er.async_get(hass).async_get_or_create("light", "elsewhere", "1", suggested_object_id="alone")
    dr.async_get(hass).async_update_device(gone.id, name_by_user="Left over")
    for target, name in (
        ({"device_id": foreign_page(hass).id}, "Lamp"),
        ({"device_id": gone.id}, "Left over"),
        ({"device_id": "nothing"}, "nothing"),
        ({"device_id": page(hass, "Nobody").id}, "Nobody"),
        ({"entity_id": "light.alone"}, "light.alone"),
        ({"entity_id": "light.nowhere"}, "light.nowhere"),
    ):
        reason, text = await refusal(hass, "set_deadline", **target, seconds=60)
        assert reason == "not_a_site_device"
        assert f"{name} is not a datalogger or gateway" in text


async def test_one_wrong_device_and_nothing_is_done(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    chosen = [page(hass, "A").id, foreign_page(hass).id, page(hass, "B").id]
    await refusal(hass, "set_deadline", device_id=chosen, seconds=60)
    assert deadlines(entry) == {"A": None, "B": None, "G": None}


@pytest.mark.parametrize("by", ["device_id", "entity_id"])
async def test_the_site_is_not_one_of_its_devices(hass: HomeAssistant, by: str) -> None:
    await two_loggers_and_a_gateway(hass)
    target = {"device_id": page(hass, "sito_001").id, "entity_id": "event.sito_001_events"}[by]
    reason, text = await refusal(hass, "set_deadline", **{by: target}, seconds=60)
    assert reason == "site_device_targeted"
    assert "sito_001 is the site itself" in text


async def test_a_site_that_is_not_loaded(hass: HomeAssistant) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    label = lr.async_get(hass).async_create("Night").label_id
    device = page(hass, "A")
    dr.async_get(hass).async_update_device(device.id, labels={label})
    await hass.config_entries.async_unload(entry.entry_id)
    for target in ({"device_id": device.id}, {"label_id": label}):
        reason, text = await refusal(hass, "set_deadline", **target, seconds=60)
        assert reason == "site_not_loaded"
        assert "The site sito_001 is not loaded." in text


async def test_a_disabled_site_is_left_out_unless_named(hass: HomeAssistant) -> None:
    first, second = await two_loggers_and_a_gateway(hass), await setup_site(hass, "sito_002")
    await heartbeat(hass, site="sito_002", serial="C")
    label = lr.async_get(hass).async_create("Night").label_id
    for serial in ("A", "C"):
        dr.async_get(hass).async_update_device(page(hass, serial).id, labels={label})
    await hass.config_entries.async_set_disabled_by(first.entry_id, ConfigEntryDisabler.USER)
    await act(hass, "set_deadline", label_id=label, seconds=60)
    assert deadlines(second) == {"C": 60}
    reason, _ = await refusal(hass, "set_deadline", device_id=page(hass, "A").id, seconds=60)
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


@pytest.mark.parametrize("by", ["device_id", "entity_id", "label_id"])
async def test_a_read_only_user_sets_no_deadline(hass: HomeAssistant, hass_read_only_user: User, by: str) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    label = lr.async_get(hass).async_create("Night").label_id
    device_id = page(hass, "A").id
    dr.async_get(hass).async_update_device(device_id, labels={label})
    entity_id = "binary_sensor.monstro_1_connectivity"
    target = {by: {"device_id": device_id, "entity_id": entity_id, "label_id": label}[by]}
    context = Context(user_id=hass_read_only_user.id)
    with pytest.raises(Unauthorized) as refused:
        await act(hass, "set_deadline", context, **target, seconds=60)
    assert refused.value.context is context
    assert (refused.value.entity_id, refused.value.permission) == (entity_id, "control")
    assert deadlines(entry) == {"A": None, "B": None, "G": None}


async def test_whoever_controls_one_device_sets_the_deadline_of_no_other(hass: HomeAssistant, guest: MockUser) -> None:
    """Not even of that one if another is targeted too: all rights are checked before anything is changed."""
    first, second = await two_loggers_and_a_gateway(hass), await setup_site(hass, "sito_002")
    await heartbeat(hass, "datalogger/other/1", "C", site="sito_002")
    context = Context(user_id=guest.id)
    for serials in ("B", "AB", "AC"):
        chosen = [page(hass, serial).id for serial in serials]
        with pytest.raises(Unauthorized):
            await act(hass, "set_deadline", context, device_id=chosen, seconds=60)
    assert (deadlines(first), deadlines(second)) == ({"A": None, "B": None, "G": None}, {"C": None})
    await act(hass, "set_deadline", context, device_id=page(hass, "A").id, seconds=60)
    assert deadlines(first) == {"A": 60, "B": None, "G": None}


async def test_a_muted_device_may_be_controlled_like_others(hass: HomeAssistant, guest: MockUser) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    device_id = page(hass, "A").id
    dr.async_get(hass).async_update_device(device_id, disabled_by=dr.DeviceEntryDisabler.USER)
    await hass.async_block_till_done()
    await act(hass, "set_deadline", Context(user_id=guest.id), device_id=device_id, seconds=60)
    assert deadlines(entry)["A"] == 60


async def test_a_device_without_connectivity_is_for_administrators_and_automations(
    hass: HomeAssistant, guest: MockUser, hass_admin_user: User
) -> None:
    """Home Assistant may have had no room for the entity."""
    entry = await two_loggers_and_a_gateway(hass)
    er.async_get(hass).async_remove("binary_sensor.monstro_1_connectivity")
    device_id = page(hass, "A").id
    with pytest.raises(Unauthorized):
        await act(hass, "set_deadline", Context(user_id=guest.id), device_id=device_id, seconds=60)
    assert deadlines(entry)["A"] is None
    for seconds, context in ((60, Context(user_id=hass_admin_user.id)), (90, Context())):
        await act(hass, "set_deadline", context, device_id=device_id, seconds=seconds)
        assert deadlines(entry)["A"] == seconds


@pytest.mark.parametrize("action", ["set_deadline", "remove_offline"])
async def test_an_unknown_user_does_nothing(hass: HomeAssistant, freezer: FrozenDateTimeFactory, action: str) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await advance(hass, freezer, 3600)
    data: dict[str, Any] = {
        "set_deadline": {"device_id": page(hass, "A").id, "seconds": 60},
        "remove_offline": {"config_entry_id": entry.entry_id, "offline_for": 60},
    }[action]
    context = Context(user_id="nobody")
    with pytest.raises(UnknownUser) as refused:
        await act(hass, action, context, **data)
    assert refused.value.context is context
    assert deadlines(entry) == {"A": None, "B": None, "G": None}


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [("delete", {"A": 60, "G": None}), ("reload", {"A": 60, "B": 60, "G": None}), ("unload", "site_not_loaded")],
)
async def test_devices_that_go_while_rights_are_checked(
    hass: HomeAssistant,
    guest: MockUser,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    expected: dict[str, float | None] | str,
) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    guest.mock_policy({"entities": True})

    async def in_slices(items: Iterable[Any]) -> AsyncIterator[Any]:
        for item in items:
            yield item
        if meanwhile == "delete":
            entry.runtime_data.async_remove(entry.runtime_data.fleet.records["datalogger/B"])
        elif meanwhile == "reload":
            await hass.config_entries.async_reload(entry.entry_id)
        else:
            await hass.config_entries.async_unload(entry.entry_id)

    monkeypatch.setattr(services, "in_slices", in_slices)
    chosen = [page(hass, serial).id for serial in "AB"]
    call = act(hass, "set_deadline", Context(user_id=guest.id), device_id=chosen, seconds=60)
    if isinstance(expected, str):
        with pytest.raises(ServiceValidationError) as refused:
            await call
        assert refused.value.translation_key == expected
    else:
        assert [device["deadline"] for device in (await call)["devices"]] == [60] * (len(expected) - 1)
        assert deadlines(entry) == expected


@pytest.mark.usefixtures("turns")
async def test_the_rights_of_many_are_checked_without_holding_the_loop(hass: HomeAssistant, guest: MockUser) -> None:
    entry = await setup_site(hass)
    for number in range(20):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}")
    turns = 0
    checked_at: list[int] = []

    def check(_entity_id: str, _permission: str) -> bool:
        def turn() -> None:
            nonlocal turns
            turns += 1

        checked_at.append(turns)
        hass.loop.call_soon(turn)
        return True

    guest.permissions = SimpleNamespace(check_entity=check)
    chosen = [page(hass, f"T{number}").id for number in range(20)]
    await act(hass, "set_deadline", Context(user_id=guest.id), device_id=chosen, seconds=60)
    assert checked_at == list(range(20))
    assert set(deadlines(entry).values()) == {60}


# remove_offline


async def test_only_what_was_silent_for_longer_goes(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    heard = dt_util.utcnow()
    device_id = page(hass, "A").id
    await stay_silent(hass, freezer, DAY)
    await heartbeat(hass, "datalogger/monstro/2", "B")
    await stay_silent(hass, freezer, DAY)
    await heartbeat(hass, "gateway/1", "G")
    answer = await act(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for={"hours": 36})
    assert answer["count"] == 1
    (gone,) = answer["devices"]
    assert abs(dt_util.parse_datetime(gone.pop("last_heartbeat"), raise_on_error=True) - heard) < timedelta(seconds=1)
    assert gone == {"name": "monstro/1", "serial": "A", "device_id": device_id}
    assert pages(hass, entry) == {"B", "G"}
    assert connectivity(hass, "datalogger/A") is None
    await advance(hass, freezer, 1)
    assert entity_state(hass, "devices_known", "sensor").state == "2"
    assert deadlines(entry).keys() == {"B", "G"}

    await heartbeat(hass, "datalogger/monstro/1", "A")  # it was not dead after all
    assert connectivity(hass, "datalogger/A") == "on"


async def test_the_time_must_be_over(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await stay_silent(hass, freezer, 3600)
    for_longer = {"config_entry_id": entry.entry_id, "dry_run": True}
    assert (await act(hass, "remove_offline", offline_for="01:00:01", **for_longer))["count"] == 0
    assert (await act(hass, "remove_offline", offline_for=3599, **for_longer))["count"] == 1


async def test_a_device_that_never_lived_counts_from_its_discovery(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass, retain=True)
    await stay_silent(hass, freezer, DAY)
    for_longer = {"config_entry_id": entry.entry_id}
    assert (await act(hass, "remove_offline", offline_for={"days": 2}, **for_longer))["count"] == 0
    answer = await act(hass, "remove_offline", offline_for={"hours": 23}, **for_longer)
    assert answer["devices"][0]["last_heartbeat"] is None
    assert pages(hass, entry) == set()


@pytest.mark.parametrize(
    ("wall_when_heard", "wall_gained_since"),
    [(1000.0, None), (None, 365 * DAY)],
    ids=["the clock had not been set", "the clock jumped by a year"],
)
async def test_a_wrong_clock_deletes_nobody(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, wall_when_heard: float | None, wall_gained_since: float | None
) -> None:
    entry = await setup_site(hass)
    with patch("time.time", return_value=wall_when_heard or time.time()):
        await heartbeat(hass)
    await advance(hass, freezer, 31)
    assert connectivity(hass) == "off"
    for_longer = {"config_entry_id": entry.entry_id, "offline_for": {"days": 30}}
    with patch("time.time", return_value=time.time() + (wall_gained_since or 0)):
        for dry_run in (True, False):
            answer = await act(hass, "remove_offline", **for_longer, dry_run=dry_run)
            assert answer == {"count": 0, "devices": []}
    assert pages(hass, entry) == {"TEST123"}


async def test_a_stamp_from_before_the_clock_was_set_says_nothing_after_a_restart_either(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await setup_site(hass)
    with patch("time.time", return_value=1000.0):
        await heartbeat(hass)
    await advance(hass, freezer, 31)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert connectivity(hass) == "off"
    answer = await act(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for={"days": 30})
    assert answer["count"] == 0


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


async def test_an_online_device_never_goes(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await act(hass, "set_deadline", device_id=page(hass, "A").id, seconds=86_400)
    await stay_silent(hass, freezer, 3600)
    await act(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for={"minutes": 1})
    assert pages(hass, entry) == {"A"}


async def test_a_muted_device_goes_like_others(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    dr.async_get(hass).async_update_device(page(hass, "TEST123").id, disabled_by=dr.DeviceEntryDisabler.USER)
    await stay_silent(hass, freezer, 3600)
    answer = await act(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for={"minutes": 1})
    assert answer["count"] == 1
    assert pages(hass, entry) == set()


async def test_a_dry_run_deletes_nothing(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await stay_silent(hass, freezer, 3600)
    for_longer = {"config_entry_id": entry.entry_id, "offline_for": {"minutes": 1}}
    dry = await act(hass, "remove_offline", **for_longer, dry_run=True)
    assert pages(hass, entry) == {"A", "B", "G"}
    assert "deleted" not in caplog.text
    assert dry["count"] == 3
    assert await act(hass, "remove_offline", **for_longer) == dry
    assert pages(hass, entry) == set()
    assert "sito_001: deleted 3 devices that were offline for longer than 0:01:00" in caplog.text
    assert await act(hass, "remove_offline", **for_longer) == {"count": 0, "devices": []}
    assert caplog.text.count(": deleted ") == 1


async def test_only_administrators_delete(
    hass: HomeAssistant, hass_read_only_user: User, hass_admin_user: User
) -> None:
    entry = await setup_site(hass)
    what = {"config_entry_id": entry.entry_id, "offline_for": 60}
    with pytest.raises(Unauthorized):
        await act(hass, "remove_offline", Context(user_id=hass_read_only_user.id), **what)
    assert (await act(hass, "remove_offline", Context(user_id=hass_admin_user.id), **what))["count"] == 0


async def test_nothing_is_deleted_while_nothing_is_heard(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    entry = await setup_site(hass)
    await heartbeat(hass)
    await stay_silent(hass, freezer, 3600)
    what = {"config_entry_id": entry.entry_id, "offline_for": 60}

    lose_connection(hass)
    reason, text = await refusal(hass, "remove_offline", **what)
    assert reason == "site_not_heard"
    assert text.startswith("sito_001 can't be heard at the moment")
    regain_connection(hass)

    monitoring = {"entity_id": "switch.sito_001_monitoring"}
    await hass.services.async_call("switch", "turn_off", monitoring, blocking=True)
    assert (await refusal(hass, "remove_offline", **what))[0] == "site_not_heard"
    await hass.services.async_call("switch", "turn_on", monitoring, blocking=True)
    assert (await act(hass, "remove_offline", **what))["count"] == 1


async def test_an_entry_that_is_no_site(hass: HomeAssistant) -> None:
    (mqtt,) = hass.config_entries.async_entries("mqtt")
    await async_setup_component(hass, DOMAIN, {})
    for entry_id in ("nothing", mqtt.entry_id):
        reason, text = await refusal(hass, "remove_offline", config_entry_id=entry_id, offline_for=60)
        assert reason == "site_not_found"
        assert f"no site with the config entry ID {entry_id}." in text


async def test_nothing_is_deleted_of_a_site_that_is_not_loaded(hass: HomeAssistant) -> None:
    entry = await setup_site(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    reason, _ = await refusal(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for=60)
    assert reason == "site_not_loaded"


@pytest.mark.parametrize(
    "wrong", [{"offline_for": -60}, {"offline_for": "soon"}, {"dry_run": "perhaps"}, {"all": True}]
)
async def test_data_of_another_shape(hass: HomeAssistant, wrong: dict[str, Any]) -> None:
    entry = await setup_site(hass)
    with pytest.raises(vol.Invalid):
        await act(hass, "remove_offline", **{"config_entry_id": entry.entry_id, "offline_for": 60, **wrong})


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the event loop have a turn after each device."""
    monkeypatch.setattr("custom_components.site_devices.site.pacing.SLICE", -1)


@pytest.mark.usefixtures("turns")
@pytest.mark.parametrize("meanwhile", ["comes back", "is deleted"])
async def test_one_that_changes_while_others_are_deleted(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, meanwhile: str
) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    site = entry.runtime_data
    await stay_silent(hass, freezer, 3600)
    first, record = page(hass, "A").id, site.fleet.records["datalogger/B"]

    @callback
    def deleted(event: Any) -> None:
        if event.data["device_id"] != first:
            return
        if meanwhile == "comes back":
            deliver(hass, "sito_001/datalogger/monstro/2/heartbeat", {"serial_number": "B"})
        else:
            site.async_remove(record)

    stop = hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, deleted)
    answer = await act(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for=60)
    stop()
    assert [device["serial"] for device in answer["devices"]] == ["A", "G"]
    assert pages(hass, entry) == ({"B"} if meanwhile == "comes back" else set())


@pytest.mark.usefixtures("turns")
async def test_a_site_that_is_unloaded_while_devices_are_deleted(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    entry = await two_loggers_and_a_gateway(hass)
    await stay_silent(hass, freezer, 3600)
    site = entry.runtime_data
    stop = hass.bus.async_listen(
        dr.EVENT_DEVICE_REGISTRY_UPDATED, callback(lambda _event: setattr(site, "closed", True))
    )
    reason, _ = await refusal(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for=60)
    stop()
    assert reason == "site_not_loaded"
    assert pages(hass, entry) == {"B", "G"}


async def test_many_do_not_hold_the_loop(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Every few milliseconds others have their turn."""
    entry = await setup_site(hass)
    for number in range(20):
        await heartbeat(hass, f"datalogger/monstro/{number}", f"T{number}")
    await stay_silent(hass, freezer, 3600)
    turns = 0

    @callback
    def deleted(event: Any) -> None:
        freezer.tick(0.002)  # as long as it may take to delete one

        def turn() -> None:
            nonlocal turns
            turns += 1

        hass.loop.call_soon(turn)

    left_at: list[int] = []
    site = entry.runtime_data
    remove = site.async_remove

    def remove_one(record: DeviceRecord) -> None:
        left_at.append(turns)
        remove(record)

    site.async_remove = remove_one
    stop = hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, deleted)
    answer = await act(hass, "remove_offline", config_entry_id=entry.entry_id, offline_for=60)
    stop()
    assert answer["count"] == 20
    # nobody's turn came while a slice lasted, and each slice was short
    assert 5 <= len(set(left_at)) < 20


# What Home Assistant shows of them


async def test_they_are_there_before_any_site(hass: HomeAssistant) -> None:
    await async_setup_component(hass, DOMAIN, {})
    assert hass.services.async_services_for_domain(DOMAIN).keys() == {"set_deadline", "remove_offline"}


async def test_their_fields_are_described(hass: HomeAssistant) -> None:
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
