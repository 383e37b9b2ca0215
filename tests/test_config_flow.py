"""Adding a site: listening on the broker, and choosing or typing a code."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import mqtt
from homeassistant.config_entries import SOURCE_IGNORE, SOURCE_USER, ConfigFlowResult
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.data_entry_flow import FlowHandler, FlowResultType, InvalidData
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.site_devices.config_flow import LISTEN_SECONDS
from custom_components.site_devices.const import CONF_SITE_CODE, DOMAIN

from . import SITE, advance, heartbeat, lose_connection, publish, setup_site, subscribed

pytestmark = pytest.mark.usefixtures("quiet")

_TICK = 0.5  # seconds; twice as often as the progress bar needs

FORM, MENU, PROGRESS, ADDED = (
    FlowResultType.FORM,
    FlowResultType.MENU,
    FlowResultType.SHOW_PROGRESS,
    FlowResultType.CREATE_ENTRY,
)


class Dialog:
    """The dialog that adds a site, and the page that it shows."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        self.hass = hass
        self.freezer = freezer
        self.page: ConfigFlowResult = {}  # type: ignore[typeddict-item]

    async def open(self) -> Dialog:
        self.page = await self.hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
        await asyncio.sleep(0)  # the listening begins
        return self

    async def answer(self, **data: Any) -> ConfigFlowResult:
        """Submit a form, and return the page that follows."""
        self.page = await self.hass.config_entries.flow.async_configure(self.page["flow_id"], data)
        return self.page

    async def choose(self, step: str) -> ConfigFlowResult:
        return await self.answer(next_step_id=step)

    async def listen(self) -> ConfigFlowResult:
        """Let the listening come to its end; return the page that follows."""
        for _ in range(int(LISTEN_SECONDS / _TICK)):
            assert self.hass.config_entries.flow.async_get(self.page["flow_id"])["step_id"] == "listen"
            await advance(self.hass, self.freezer, _TICK)
        return await self.show()

    async def show(self) -> ConfigFlowResult:
        """Return the page that follows a progress, as the browser asks for it."""
        self.page = await self.hass.config_entries.flow.async_configure(self.page["flow_id"])
        return self.page

    async def close(self) -> None:
        self.hass.config_entries.flow.async_abort(self.page["flow_id"])
        await self.hass.async_block_till_done(wait_background_tasks=True)

    @property
    def heard(self) -> list[str]:
        """The rows in which the page shows the sites that were heard."""
        return (self.page["description_placeholders"] or {})["sites"].splitlines()

    def assert_added(self, code: str) -> None:
        assert self.page["type"] is ADDED
        assert (self.page["title"], self.page["data"]) == (code, {CONF_SITE_CODE: code})
        assert self.page["result"].unique_id == code

    def assert_aborted(self, reason: str) -> None:
        assert (self.page["type"], self.page.get("reason")) == (FlowResultType.ABORT, reason)


@pytest.fixture
async def dialog(broker: MqttMockHAClient, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Dialog:
    """The dialog, just opened: it listens."""
    return await Dialog(hass, freezer).open()


def listening_to(hass: HomeAssistant) -> list[str]:
    """Return what Home Assistant is subscribed to for us."""
    return [topic for topic in subscribed(hass) if "datalogger" in topic or "gateway" in topic]


async def unload_mqtt(hass: HomeAssistant) -> None:
    (entry,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_site_that_was_heard_is_chosen(hass: HomeAssistant, dialog: Dialog) -> None:
    assert dialog.page["type"] is PROGRESS
    assert dialog.page["step_id"] == dialog.page["progress_action"] == "listen"
    assert dialog.page["description_placeholders"] == {"seconds": "15"}
    assert listening_to(hass) == ["+/datalogger/+/+/heartbeat", "+/gateway/+/heartbeat"]

    await heartbeat(hass, "datalogger/monstro/1", "A")
    await heartbeat(hass, "datalogger/monstro/1", "A")
    await heartbeat(hass, "datalogger/monstro/2", "B")
    await heartbeat(hass, "gateway/1", "A")
    await heartbeat(hass, "gateway/1", "G", site="sito_000")
    page = await dialog.listen()
    assert listening_to(hass) == []
    assert (page["type"], page["step_id"]) == (MENU, "heard")
    assert page["menu_options"] == ["pick", "listen", "manual"]
    assert page["description_placeholders"] == {"sites": "| sito_001 | 3 |\n| sito_000 | 1 |"}

    page = await dialog.choose("pick")
    assert page["type"] is FORM
    (field,) = page["data_schema"].schema.items()
    assert field[0].default() == SITE
    assert field[1].config["options"] == [
        {"value": "sito_001", "label": "sito_001 (3)"},
        {"value": "sito_000", "label": "sito_000 (1)"},
    ]
    with pytest.raises(InvalidData):
        await dialog.answer(site_code="sito_002")

    page = await dialog.answer(site_code="sito_000")
    dialog.assert_added("sito_000")
    assert page["options"] == {}


@pytest.mark.parametrize(
    "code", ["sito_001", "Sito 1", "città", "$", "a" * 65, "a/b", "+", "#", " a", "a ", "", "a\tb"]
)
async def test_a_code_is_typed(dialog: Dialog, code: str) -> None:
    page = await dialog.listen()
    assert (page["type"], page["step_id"]) == (MENU, "silence")
    assert page["menu_options"] == ["listen", "manual"]
    assert page["description_placeholders"] == {"topics": "`+/datalogger/+/+/heartbeat`, `+/gateway/+/heartbeat`"}

    page = await dialog.choose("manual")
    assert page["type"] is FORM
    assert not page["errors"]

    page = await dialog.answer(site_code=code)
    if code not in ("sito_001", "Sito 1", "città"):
        assert page["type"] is FORM
        assert page["errors"] == {CONF_SITE_CODE: "invalid_site_code"}
        (field,) = page["data_schema"].schema
        assert field.description == {"suggested_value": code}
        code = "right"
        await dialog.answer(site_code=code)
    dialog.assert_added(code)


async def test_listening_again_adds_to_what_was_heard(hass: HomeAssistant, dialog: Dialog) -> None:
    assert (await dialog.listen())["step_id"] == "silence"

    assert (await dialog.choose("listen"))["type"] is PROGRESS
    await heartbeat(hass, serial="A")
    await dialog.listen()
    assert dialog.heard == ["| sito_001 | 1 |"]

    await dialog.choose("listen")
    await heartbeat(hass, serial="B")
    await dialog.listen()
    assert dialog.heard == ["| sito_001 | 2 |"]
    assert listening_to(hass) == []


async def test_a_retained_heartbeat_counts(hass: HomeAssistant, dialog: Dialog) -> None:
    await heartbeat(hass, retain=True)
    await dialog.listen()
    assert dialog.heard == ["| sito_001 | 1 |"]


async def test_what_is_no_heartbeat_of_a_site_does_not_count(hass: HomeAssistant, dialog: Dialog) -> None:
    for payload in (b"\xff", {"serial_number": None}, ""):
        await publish(hass, "sito_001/datalogger/monstro/1/heartbeat", payload)
    for topic in (
        "/datalogger/monstro/1/heartbeat",
        " sito_001/gateway/1/heartbeat",
        f"{'s' * 65}/gateway/1/heartbeat",
    ):
        await publish(hass, topic, {"serial_number": 1})
    assert (await dialog.listen())["step_id"] == "silence"


async def test_a_hostile_site_name_is_shown_as_it_is(hass: HomeAssistant, dialog: Dialog) -> None:
    """The page is Markdown: no name may break the table, draw an image, make a link or emphasise."""
    await heartbeat(hass, site="![x](http:evil.example)|<img src=x>")
    await heartbeat(hass, site="www.evil.example *b* `c`")
    await dialog.listen()
    assert dialog.heard == [
        r"| \!\[x\](http:evil.example)\|\<img src=x\> | 1 |",
        r"| www\.evil.example \*b\* \`c\` | 1 |",
    ]
    await dialog.choose("pick")
    await dialog.answer(site_code="![x](http:evil.example)|<img src=x>")
    assert dialog.page["title"] == "![x](http:evil.example)|<img src=x>"


async def test_of_many_sites_the_largest_are_offered(hass: HomeAssistant, dialog: Dialog) -> None:
    for number in range(21):
        await heartbeat(hass, site=f"site {number:02}")
    await heartbeat(hass, serial="another", site="site 20")
    await dialog.listen()
    assert dialog.heard == ["| site 20 | 2 |", *(f"| site {number:02} | 1 |" for number in range(19))]


@pytest.fixture
def added(hass: HomeAssistant) -> None:
    """A site that was added before."""
    MockConfigEntry(domain=DOMAIN, unique_id=SITE, data={CONF_SITE_CODE: SITE}).add_to_hass(hass)


@pytest.mark.usefixtures("added")
async def test_sites_already_added_are_not_offered(hass: HomeAssistant, dialog: Dialog) -> None:
    await heartbeat(hass)
    await heartbeat(hass, site="Sito_001")
    await dialog.listen()
    assert dialog.heard == ["| Sito_001 | 1 |"]

    await dialog.choose("manual")
    page = await dialog.answer(site_code=SITE)
    assert page["errors"] == {CONF_SITE_CODE: "already_configured"}
    await dialog.answer(site_code="sito_002")
    dialog.assert_added("sito_002")


@pytest.mark.usefixtures("added")
async def test_only_sites_already_added_were_heard(hass: HomeAssistant, dialog: Dialog) -> None:
    await heartbeat(hass)
    assert (await dialog.listen())["step_id"] == "silence"


async def test_two_dialogs_at_once(hass: HomeAssistant, dialog: Dialog) -> None:
    """Both hear the same sites; what one has added the other one neither offers nor adds again."""
    other, late = [await Dialog(hass, dialog.freezer).open() for _ in range(2)]
    assert len(listening_to(hass)) == 2 * 3
    await heartbeat(hass)
    await dialog.listen()
    for waiting in (other, late):
        await waiting.show()
    for choosing in (dialog, other):
        await choosing.choose("pick")

    await dialog.answer(site_code=SITE)
    dialog.assert_added(SITE)
    await other.answer(site_code=SITE)
    other.assert_aborted("already_configured")

    assert (await late.choose("pick"))["step_id"] == "silence"
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


async def test_a_site_is_added_while_another_dialog_is_just_adding_it(hass: HomeAssistant, dialog: Dialog) -> None:
    other = await Dialog(hass, dialog.freezer).open()
    await heartbeat(hass)
    await dialog.listen()
    await other.show()
    for choosing in (dialog, other):
        await choosing.choose("pick")
    go_on = asyncio.Event()

    async def slow_setup(*_: object) -> bool:
        await go_on.wait()
        return True

    with patch("custom_components.site_devices.async_setup_entry", slow_setup):
        adding = hass.async_create_task(dialog.answer(site_code=SITE))
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(hass.config_entries.async_entries(DOMAIN)) == 1
        await other.answer(site_code=SITE)
        go_on.set()
        await adding
    dialog.assert_added(SITE)
    other.assert_aborted("already_configured")


async def test_closing_the_dialog_ends_the_listening(hass: HomeAssistant, dialog: Dialog) -> None:
    assert len(listening_to(hass)) == 2
    await dialog.close()
    assert listening_to(hass) == []
    await advance(hass, dialog.freezer, LISTEN_SECONDS)
    assert hass.config_entries.flow.async_progress() == []


async def test_closing_the_dialog_after_the_listening(hass: HomeAssistant, dialog: Dialog) -> None:
    await dialog.listen()
    await dialog.close()
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("dialog")
async def test_home_assistant_stops_while_we_listen(hass: HomeAssistant, caplog: pytest.LogCaptureFixture) -> None:
    assert len(listening_to(hass)) == 2
    await hass.async_stop(force=True)
    assert "still running" not in caplog.text
    assert listening_to(hass) == []


@pytest.mark.usefixtures("broker")
async def test_a_dialog_that_is_over_hears_nothing(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """After MQTT's own reload an unsubscribe is void: the handler goes on being called, and must not fill memory."""
    handlers = []
    subscribe = mqtt.async_subscribe

    async def remember(hass: HomeAssistant, topic: str, handler: Any, *how: Any, **more: Any) -> Any:
        handlers.append(handler)
        return await subscribe(hass, topic, handler, *how, **more)

    with patch("homeassistant.components.mqtt.async_subscribe", remember):
        dialog = await Dialog(hass, freezer).open()
    heard = hass.config_entries.flow._progress[dialog.page["flow_id"]]._heard  # type: ignore[attr-defined]
    await dialog.close()
    topic = "sito_001/gateway/1/heartbeat"
    handlers[0](mqtt.ReceiveMessage(topic, b'{"serial_number": 1}', 0, False, topic, 0.0))
    assert not heard


@pytest.mark.usefixtures("enable_custom_integrations")
@pytest.mark.parametrize("found", [False, True], ids=["never found", "found on the network, and ignored by the user"])
async def test_mqtt_is_missing(hass: HomeAssistant, freezer: FrozenDateTimeFactory, found: bool) -> None:
    if found:
        MockConfigEntry(domain=mqtt.DOMAIN, source=SOURCE_IGNORE).add_to_hass(hass)
    (await Dialog(hass, freezer).open()).assert_aborted("mqtt_missing")


async def disconnect(hass: HomeAssistant) -> None:
    lose_connection(hass)


NOT_THERE = pytest.mark.parametrize(
    ("end", "reason"), [(unload_mqtt, "mqtt_not_loaded"), (disconnect, "mqtt_not_connected")]
)


@NOT_THERE
@pytest.mark.usefixtures("broker")
async def test_mqtt_is_not_there(hass: HomeAssistant, freezer: FrozenDateTimeFactory, end: Any, reason: str) -> None:
    await end(hass)
    (await Dialog(hass, freezer).open()).assert_aborted(reason)


@NOT_THERE
async def test_mqtt_goes_while_we_listen(hass: HomeAssistant, dialog: Dialog, end: Any, reason: str) -> None:
    """Silence means something else then."""
    await end(hass)
    await dialog.listen()
    dialog.assert_aborted(reason)
    await advance(hass, dialog.freezer, 2)  # MQTT's own timers


async def test_the_connection_is_lost_after_something_was_heard(hass: HomeAssistant, dialog: Dialog) -> None:
    await heartbeat(hass)
    lose_connection(hass)
    assert (await dialog.listen())["step_id"] == "heard"
    await dialog.choose("listen")
    dialog.assert_aborted("mqtt_not_connected")


async def test_the_bar_moves_while_we_listen(hass: HomeAssistant, dialog: Dialog) -> None:
    shown: list[float] = []

    @callback
    def progress(event: Event) -> None:
        shown.append(event.data["progress"])

    await dialog.close()
    hass.bus.async_listen("data_entry_flow_progress_update", progress)
    await (await dialog.open()).listen()
    if hasattr(FlowHandler, "async_update_progress"):
        assert shown == pytest.approx([step / 30 for step in range(30)])
    else:
        assert shown == []


async def test_a_site_works_as_soon_as_it_is_added(hass: HomeAssistant, dialog: Dialog) -> None:
    await setup_site(hass, "sito_002")
    await heartbeat(hass)
    await dialog.listen()
    await dialog.choose("pick")
    await dialog.answer(site_code=SITE)
    await heartbeat(hass)
    assert hass.states.get("binary_sensor.monstro_1_connectivity")
