"""Adding a site: listening on the broker, and choosing or typing a code."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import mqtt
from homeassistant.config_entries import SOURCE_IGNORE, SOURCE_USER, ConfigFlowResult
from homeassistant.core import Event, HomeAssistant
from homeassistant.data_entry_flow import FlowHandler, FlowResultType, InvalidData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.site_devices.config_flow import LISTEN_SECONDS
from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN

from . import SITE, advance, heartbeat, lose_connection, publish, setup_site, subscribed

pytestmark = pytest.mark.usefixtures("quiet")

_TICK = 0.5  # seconds; twice as often as the progress bar needs

type Flow = ConfigFlowResult


async def start(hass: HomeAssistant) -> Flow:
    """Open the dialog."""
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    await asyncio.sleep(0)  # the listening begins
    return flow


async def answer(hass: HomeAssistant, flow: Flow, **data: Any) -> Flow:
    """Submit a form of the dialog, or choose from its menu by `next_step_id`."""
    return await hass.config_entries.flow.async_configure(flow["flow_id"], data)


async def listen(hass: HomeAssistant, freezer: FrozenDateTimeFactory, flow: Flow) -> Flow:
    """Let the listening come to its end; return the page that follows."""
    for _ in range(int(LISTEN_SECONDS / _TICK)):
        assert current(hass, flow)["step_id"] == "listen"
        await advance(hass, freezer, _TICK)
    return await show(hass, flow)


async def show(hass: HomeAssistant, flow: Flow) -> Flow:
    """Return the page that follows a progress, as the browser asks for it."""
    return await hass.config_entries.flow.async_configure(flow["flow_id"])


def current(hass: HomeAssistant, flow: Flow) -> Flow:
    """Return the page that the dialog shows by itself."""
    return hass.config_entries.flow.async_get(flow["flow_id"])


def heard_sites(flow: Flow) -> list[str]:
    """Return the rows in which the page shows the sites that were heard."""
    return (flow["description_placeholders"] or {})["sites"].splitlines()


def listening_to(hass: HomeAssistant) -> list[str]:
    """Return what Home Assistant is subscribed to for us."""
    return [topic for topic in subscribed(hass) if "datalogger" in topic or "gateway" in topic]


async def unload_mqtt(hass: HomeAssistant) -> None:
    (entry,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.usefixtures("broker")
async def test_a_site_that_was_heard_is_chosen(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await start(hass)
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    assert flow["step_id"] == flow["progress_action"] == "listen"
    assert flow["description_placeholders"] == {"seconds": "15"}
    assert listening_to(hass) == ["+/datalogger/+/+/heartbeat", "+/gateway/+/heartbeat"]

    await heartbeat(hass, "datalogger/monstro/1", "A")
    await heartbeat(hass, "datalogger/monstro/1", "A")
    await heartbeat(hass, "datalogger/monstro/2", "B")
    await heartbeat(hass, "gateway/1", "A")
    await heartbeat(hass, "gateway/1", "G", site="sito_000")
    flow = await listen(hass, freezer, flow)
    assert listening_to(hass) == []

    assert flow["type"] is FlowResultType.MENU
    assert flow["step_id"] == "heard"
    assert flow["menu_options"] == ["pick", "listen", "manual"]
    assert flow["description_placeholders"] == {"sites": "| sito_001 | 3 |\n| sito_000 | 1 |"}

    flow = await answer(hass, flow, next_step_id="pick")
    assert flow["type"] is FlowResultType.FORM
    (field,) = flow["data_schema"].schema.items()
    assert field[0].default() == SITE
    assert field[1].config["options"] == [
        {"value": "sito_001", "label": "sito_001 (3)"},
        {"value": "sito_000", "label": "sito_000 (1)"},
    ]
    with pytest.raises(InvalidData):
        await answer(hass, flow, site_code="sito_002")

    flow = await answer(hass, flow, site_code="sito_000")
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    assert flow["title"] == "sito_000"
    assert flow["data"] == {CONF_SITE_CODE: "sito_000"}
    assert flow["options"] == {}
    assert flow["result"].unique_id == "sito_000"


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    "code", ["sito_001", "Sito 1", "città", "$", "a" * 65, "a/b", "+", "#", " a", "a ", "", "a\tb"]
)
async def test_a_code_is_typed(hass: HomeAssistant, freezer: FrozenDateTimeFactory, code: str) -> None:
    flow = await listen(hass, freezer, await start(hass))
    assert flow["type"] is FlowResultType.MENU
    assert flow["step_id"] == "silence"
    assert flow["menu_options"] == ["listen", "manual"]
    assert flow["description_placeholders"] == {"topics": "`+/datalogger/+/+/heartbeat`, `+/gateway/+/heartbeat`"}

    flow = await answer(hass, flow, next_step_id="manual")
    assert flow["type"] is FlowResultType.FORM
    assert not flow["errors"]

    flow = await answer(hass, flow, site_code=code)
    if code not in ("sito_001", "Sito 1", "città"):
        assert flow["type"] is FlowResultType.FORM
        assert flow["errors"] == {CONF_SITE_CODE: "invalid_site_code"}
        (field,) = flow["data_schema"].schema
        assert field.description == {"suggested_value": code}
        code = "right"
        flow = await answer(hass, flow, site_code=code)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    assert flow["title"] == code
    assert flow["data"] == {CONF_SITE_CODE: code}
    assert flow["result"].unique_id == code


@pytest.mark.usefixtures("broker")
async def test_listening_again_adds_to_what_was_heard(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await listen(hass, freezer, await start(hass))
    assert flow["step_id"] == "silence"

    flow = await answer(hass, flow, next_step_id="listen")
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    await heartbeat(hass, serial="A")
    flow = await listen(hass, freezer, flow)
    assert flow["description_placeholders"] == {"sites": "| sito_001 | 1 |"}

    flow = await answer(hass, flow, next_step_id="listen")
    await heartbeat(hass, serial="B")
    flow = await listen(hass, freezer, flow)
    assert flow["description_placeholders"] == {"sites": "| sito_001 | 2 |"}
    assert listening_to(hass) == []


@pytest.mark.usefixtures("broker")
async def test_a_retained_heartbeat_counts(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await start(hass)
    await heartbeat(hass, retain=True)
    flow = await listen(hass, freezer, flow)
    assert flow["description_placeholders"] == {"sites": "| sito_001 | 1 |"}


@pytest.mark.usefixtures("broker")
async def test_what_is_no_heartbeat_of_a_site_does_not_count(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    flow = await start(hass)
    await publish(hass, "sito_001/datalogger/monstro/1/heartbeat", b"\xff")
    await publish(hass, "sito_001/datalogger/monstro/1/heartbeat", {"serial_number": None})
    await publish(hass, "sito_001/datalogger/monstro/1/heartbeat", "")
    await publish(hass, "/datalogger/monstro/1/heartbeat", {"serial_number": 1})
    await publish(hass, " sito_001/gateway/1/heartbeat", {"serial_number": 1})
    await publish(hass, f"{'s' * 65}/gateway/1/heartbeat", {"serial_number": 1})
    flow = await listen(hass, freezer, flow)
    assert flow["step_id"] == "silence"


@pytest.mark.usefixtures("broker")
async def test_a_hostile_site_name_is_shown_as_it_is(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """The page is Markdown: no name may break the table, draw an image, make a link or emphasise."""
    flow = await start(hass)
    await heartbeat(hass, site="![x](http:evil.example)|<img src=x>")
    await heartbeat(hass, site="www.evil.example *b* `c`")
    flow = await listen(hass, freezer, flow)
    assert heard_sites(flow) == [
        r"| \!\[x\](http:evil.example)\|\<img src=x\> | 1 |",
        r"| www\.evil.example \*b\* \`c\` | 1 |",
    ]
    flow = await answer(hass, flow, next_step_id="pick")
    flow = await answer(hass, flow, site_code="![x](http:evil.example)|<img src=x>")
    assert flow["title"] == "![x](http:evil.example)|<img src=x>"


@pytest.mark.usefixtures("broker")
async def test_of_many_sites_the_largest_are_offered(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await start(hass)
    for number in range(21):
        await heartbeat(hass, site=f"site {number:02}")
    await heartbeat(hass, serial="another", site="site 20")
    flow = await listen(hass, freezer, flow)
    assert heard_sites(flow) == ["| site 20 | 2 |", *(f"| site {number:02} | 1 |" for number in range(19))]


@pytest.mark.usefixtures("broker")
async def test_sites_already_added_are_not_offered(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    MockConfigEntry(domain=DOMAIN, unique_id=SITE, data={CONF_SITE_CODE: SITE}).add_to_hass(hass)
    flow = await start(hass)
    await heartbeat(hass)
    await heartbeat(hass, site="Sito_001")
    flow = await listen(hass, freezer, flow)
    assert flow["description_placeholders"] == {"sites": "| Sito_001 | 1 |"}

    flow = await answer(hass, flow, next_step_id="manual")
    flow = await answer(hass, flow, site_code=SITE)
    assert flow["errors"] == {CONF_SITE_CODE: "already_configured"}
    flow = await answer(hass, flow, site_code="sito_002")
    assert flow["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("broker")
async def test_only_sites_already_added_were_heard(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    MockConfigEntry(domain=DOMAIN, unique_id=SITE, data={CONF_SITE_CODE: SITE}).add_to_hass(hass)
    flow = await start(hass)
    await heartbeat(hass)
    flow = await listen(hass, freezer, flow)
    assert flow["step_id"] == "silence"


@pytest.mark.usefixtures("broker")
async def test_two_dialogs_at_once(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Both hear the same sites; what one has added the other one neither offers nor adds again."""
    one, other, late = await start(hass), await start(hass), await start(hass)
    assert len(listening_to(hass)) == 2 * 3
    await heartbeat(hass)
    for _ in range(int(LISTEN_SECONDS / _TICK)):
        await advance(hass, freezer, _TICK)
    one, other, late = [await show(hass, flow) for flow in (one, other, late)]
    one = await answer(hass, one, next_step_id="pick")
    other = await answer(hass, other, next_step_id="pick")

    one = await answer(hass, one, site_code=SITE)
    assert one["type"] is FlowResultType.CREATE_ENTRY
    other = await answer(hass, other, site_code=SITE)
    assert other["type"] is FlowResultType.ABORT
    assert other["reason"] == "already_configured"

    late = await answer(hass, late, next_step_id="pick")
    assert late["step_id"] == "silence"
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


@pytest.mark.usefixtures("broker")
async def test_a_site_is_added_while_another_dialog_is_just_adding_it(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    one, other = await start(hass), await start(hass)
    await heartbeat(hass)
    for _ in range(int(LISTEN_SECONDS / _TICK)):
        await advance(hass, freezer, _TICK)
    one, other = await show(hass, one), await show(hass, other)
    one = await answer(hass, one, next_step_id="pick")
    other = await answer(hass, other, next_step_id="pick")
    go_on = asyncio.Event()

    async def slow_setup(*_: object) -> bool:
        await go_on.wait()
        return True

    with patch("custom_components.site_devices.async_setup_entry", slow_setup):
        adding = hass.async_create_task(answer(hass, one, site_code=SITE))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(hass.config_entries.async_entries(DOMAIN)) == 1
        other = await answer(hass, other, site_code=SITE)
        go_on.set()
        one = await adding
    assert one["type"] is FlowResultType.CREATE_ENTRY
    assert other["type"] is FlowResultType.ABORT
    assert other["reason"] == "already_configured"


@pytest.mark.usefixtures("broker")
async def test_closing_the_dialog_ends_the_listening(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await start(hass)
    assert len(listening_to(hass)) == 2
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    assert listening_to(hass) == []
    await advance(hass, freezer, LISTEN_SECONDS)
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("broker")
async def test_closing_the_dialog_after_the_listening(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await listen(hass, freezer, await start(hass))
    hass.config_entries.flow.async_abort(flow["flow_id"])
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("broker")
async def test_home_assistant_stops_while_we_listen(hass: HomeAssistant, caplog: pytest.LogCaptureFixture) -> None:
    await start(hass)
    await hass.async_stop(force=True)
    assert "still running" not in caplog.text
    assert listening_to(hass) == []


@pytest.mark.usefixtures("broker")
async def test_a_dialog_that_is_over_hears_nothing(hass: HomeAssistant) -> None:
    """After MQTT's own reload an unsubscribe is void: the handler goes on being called, and must not fill memory."""
    handlers = []
    subscribe = mqtt.async_subscribe

    async def remember(hass: HomeAssistant, topic: str, handler: Any, *how: Any, **more: Any) -> Any:
        handlers.append(handler)
        return await subscribe(hass, topic, handler, *how, **more)

    with patch("homeassistant.components.mqtt.async_subscribe", remember):
        flow = await start(hass)
    heard = hass.config_entries.flow._progress[flow["flow_id"]]._heard  # type: ignore[attr-defined]
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    topic = "sito_001/gateway/1/heartbeat"
    handlers[0](mqtt.ReceiveMessage(topic, b'{"serial_number": 1}', 0, False, topic, 0.0))
    assert not heard


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_mqtt_is_missing(hass: HomeAssistant) -> None:
    flow = await start(hass)
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "mqtt_missing"


@pytest.mark.usefixtures("enable_custom_integrations")
async def test_mqtt_was_found_on_the_network_but_never_set_up(hass: HomeAssistant) -> None:
    """The user chose to ignore what was found."""
    MockConfigEntry(domain=mqtt.DOMAIN, source=SOURCE_IGNORE).add_to_hass(hass)
    flow = await start(hass)
    assert flow["reason"] == "mqtt_missing"


@pytest.mark.usefixtures("broker")
async def test_mqtt_is_not_loaded(hass: HomeAssistant) -> None:
    await unload_mqtt(hass)
    flow = await start(hass)
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "mqtt_not_loaded"


@pytest.mark.usefixtures("broker")
async def test_mqtt_is_not_connected(hass: HomeAssistant) -> None:
    lose_connection(hass)
    flow = await start(hass)
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "mqtt_not_connected"


@pytest.mark.usefixtures("broker")
async def test_the_connection_is_lost_while_we_listen(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """Silence means something else then."""
    flow = await start(hass)
    lose_connection(hass)
    flow = await listen(hass, freezer, flow)
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "mqtt_not_connected"


@pytest.mark.usefixtures("broker")
async def test_the_connection_is_lost_after_something_was_heard(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    flow = await start(hass)
    await heartbeat(hass)
    lose_connection(hass)
    flow = await listen(hass, freezer, flow)
    assert flow["step_id"] == "heard"
    flow = await answer(hass, flow, next_step_id="listen")
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "mqtt_not_connected"


@pytest.mark.usefixtures("broker")
async def test_mqtt_is_unloaded_while_we_listen(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    flow = await start(hass)
    await unload_mqtt(hass)
    flow = await listen(hass, freezer, flow)
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "mqtt_not_loaded"
    await advance(hass, freezer, 2)  # MQTT's own timers


@pytest.mark.usefixtures("broker")
async def test_the_bar_moves_while_we_listen(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    shown: list[float] = []

    def progress(event: Event) -> None:
        shown.append(event.data["progress"])

    hass.bus.async_listen("data_entry_flow_progress_update", progress)
    await listen(hass, freezer, await start(hass))
    if hasattr(FlowHandler, "async_update_progress"):
        assert shown == pytest.approx([step / 30 for step in range(30)])
    else:
        assert shown == []


@pytest.mark.usefixtures("broker")
async def test_the_site_works_at_once(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await setup_site(hass, "sito_002")
    flow = await start(hass)
    await heartbeat(hass)
    flow = await listen(hass, freezer, flow)
    flow = await answer(hass, flow, next_step_id="pick")
    await answer(hass, flow, site_code=SITE)
    await heartbeat(hass)
    assert hass.states.get("binary_sensor.monstro_1_connectivity")
