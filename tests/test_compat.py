"""What differs between the oldest and the newest Home Assistant, and what both must have.

Of the oldest end's tests only these are measured: each branch that the newest end never takes must be taken here.
"""

from __future__ import annotations

from unittest.mock import Mock

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowHandler
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices import compat
from custom_components.site_devices.const import DOMAIN


@pytest.fixture
def entry(hass: HomeAssistant) -> MockConfigEntry:
    entry = MockConfigEntry(domain="elsewhere")
    entry.add_to_hass(hass)
    return entry


@pytest.fixture
def parent(hass: HomeAssistant, entry: MockConfigEntry) -> dr.DeviceEntry:
    return dr.async_get(hass).async_get_or_create(config_entry_id=entry.entry_id, identifiers={("elsewhere", "hub")})


@pytest.mark.parametrize(
    ("version", "argument"),
    [((2025, 4), "via_device"), ((2026, 7), "via_device"), ((2026, 8), "via_device_id"), ((2027, 1), "via_device_id")],
)
def test_a_parent_is_named_as_the_release_takes_it(
    parent: dr.DeviceEntry, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], argument: str
) -> None:
    monkeypatch.setattr(compat, "MAJOR_VERSION", version[0])
    monkeypatch.setattr(compat, "MINOR_VERSION", version[1])
    assert compat.via(parent) == {argument: parent.id if argument == "via_device_id" else ("elsewhere", "hub")}


def test_this_release_takes_the_parent_as_it_is_named(
    hass: HomeAssistant, entry: MockConfigEntry, parent: dr.DeviceEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """What breaks here is the registration of every device page."""
    child = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("elsewhere", "lamp")}, **compat.via(parent)
    )
    assert child.via_device_id == parent.id
    assert not caplog.records


def test_a_bar_moves_where_there_is_one() -> None:
    flow = Mock(spec=FlowHandler)
    compat.update_progress(flow, 0.5)
    has_bar = hasattr(FlowHandler, "async_update_progress")
    assert [call[0] for call in flow.method_calls] == ["async_update_progress"] * has_bar


async def test_an_action_is_for_what_its_target_names(hass: HomeAssistant) -> None:
    call = ServiceCall(hass, DOMAIN, "set_deadline", {"device_id": ["A"], "entity_id": ["sensor.b"]})
    assert compat.target_of(hass, call) == ({"A"}, {"sensor.b"}, set())


async def test_a_removed_entity_is_told_from_one_that_never_was(hass: HomeAssistant) -> None:
    """Without `deleted_entities` an entity that is removed while its site is not loaded comes back with the next load."""
    registry = er.async_get(hass)
    registry.async_remove(registry.async_get_or_create("sensor", DOMAIN, "gone").entity_id)
    assert [compat.was_removed(registry, "sensor", name) for name in ("gone", "never")] == [True, False]
    assert not compat.was_removed(registry, "binary_sensor", "gone")
    del registry.deleted_entities
    assert not compat.was_removed(registry, "sensor", "gone")
    registry.deleted_entities = {}  # Home Assistant saves it when the test ends
