"""The automations in the documentation: each loads, and does what its page says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
import re
from typing import Any

from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr, label_registry as lr
from homeassistant.helpers.template import Template
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service
import yaml

from .live_site import LiveSite

PAGE = (Path(__file__).parent.parent / "docs/automations.md").read_text(encoding="utf-8")
OUTAGE, DEVICE, WORK, DEADLINES = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))

pytestmark = pytest.mark.usefixtures("broker", "quiet")


@pytest.fixture
def phone(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "send_message")


@pytest.fixture
async def two(hass: HomeAssistant, site: LiveSite) -> AsyncGenerator[LiveSite]:
    """A site with two devices."""
    await site.heartbeat()
    await site.heartbeat("datalogger/monstro/2", "OTHER", name="_Roof_ <b>")
    yield site
    if hass.services.has_service(AUTOMATION, "turn_off"):
        await hass.services.async_call(AUTOMATION, "turn_off", {"entity_id": "all"}, blocking=True)


async def load(hass: HomeAssistant, automation: dict[str, Any]) -> None:
    assert await async_setup_component(hass, AUTOMATION, {AUTOMATION: automation})
    (state,) = hass.states.async_all(AUTOMATION)
    assert state.state == "on"


async def test_an_outage_is_one_message_and_so_is_the_next(
    hass: HomeAssistant, two: LiveSite, phone: list[ServiceCall]
) -> None:
    await load(hass, OUTAGE)
    await two.advance(31, 16)
    assert [call.data["title"] for call in phone] == ["2 devices are offline"]
    assert phone[0].data["message"] == r"2 devices of sito_001 are offline: monstro/1, \_Roof\_ \<b\>"
    await two.reload()
    await two.heartbeat()
    await two.advance(31, 16)
    assert [call.data["title"] for call in phone] == ["2 devices are offline", "1 devices are offline"]


async def test_a_message_as_plain_text(hass: HomeAssistant, two: LiveSite) -> None:
    await two.advance(31, 16)
    variables = {"trigger": {"to_state": hass.states.get("event.sito_001_events")}}
    plain, names = (
        Template(f"{{{{ {text} }}}}", hass).async_render(variables)
        for text in re.findall(r"`{{ (trigger.to_state.attributes.(?:message|devices) \|.*?) }}`", PAGE)
    )
    assert plain == "2 devices of sito_001 are offline: monstro/1, _Roof_ <b>"
    assert names == "monstro/1, _Roof_ <b>"


async def test_one_device_is_silent_for_five_minutes(
    hass: HomeAssistant, two: LiveSite, phone: list[ServiceCall]
) -> None:
    await load(hass, DEVICE)
    await two.advance(31, 290)
    assert not phone
    await two.advance(11)
    assert len(phone) == 1
    await two.reload()  # off, unavailable and off again
    await two.advance(400)
    assert len(phone) == 1


async def test_planned_work(hass: HomeAssistant, two: LiveSite) -> None:
    await load(hass, WORK)
    (automation,) = hass.states.async_all(AUTOMATION)
    await hass.services.async_call(AUTOMATION, "trigger", {"entity_id": automation.entity_id})
    for _ in range(20):
        await asyncio.sleep(0)  # it waits for an hour now, so nothing is ever done
    assert two.state("switch.sito_001_monitoring") == "off"
    await two.advance(3601)
    assert two.state("switch.sito_001_monitoring") == "on"
    assert two.state("binary_sensor.monstro_1_connectivity") == "on"


async def test_deadlines_by_a_label(hass: HomeAssistant, two: LiveSite) -> None:
    label = lr.async_get(hass).async_create("slow").label_id
    dr.async_get(hass).async_update_device(two.page("OTHER").id, labels={label})
    await load(hass, DEADLINES)
    (automation,) = hass.states.async_all(AUTOMATION)
    await hass.services.async_call(AUTOMATION, "trigger", {"entity_id": automation.entity_id}, blocking=True)
    await hass.async_block_till_done()
    assert {record.serial: record.offline_after for record in two.fleet.records.values()} == {
        "TEST123": None,
        "OTHER": 900,
    }
