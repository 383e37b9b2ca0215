"""The access rules that the README gives: enough for us, and a wall between two sites."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
import json
import shutil

from homeassistant.components import mqtt
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import pytest_socket

from custom_components.site_devices import config_flow
from custom_components.site_devices.const import DOMAIN
from demo.broker import SYSTEM_PATHS, Broker
from tests import SITE, connectivity, setup_site
from tests.checkout import ROOT
from tests.test_docs import blocks

from . import site_of, until

USERS = {"homeassistant": "secret", SITE: "of one site", "sito_002": "of another"}

type Publish = Callable[[str, str], None]


@pytest.fixture
def broker() -> Generator[Broker]:
    """Run Mosquitto with the rules of the README, and the same for a second site."""
    if not any(shutil.which("mosquitto", path=path) for path in (None, *SYSTEM_PATHS)):
        pytest.skip("needs Mosquitto")
    (rules,) = (block.text for block in blocks((ROOT / "README.md").read_text(encoding="utf-8")) if not block.info)
    assert rules.count(f"user {SITE}\n") == 1
    rules += rules[rules.index(f"user {SITE}\n") :].replace(SITE, "sito_002")
    pytest_socket.enable_socket()
    with Broker(users=USERS, acl=rules) as broker:
        yield broker


@pytest.fixture
def publish(broker: Broker) -> Generator[Publish]:
    """Let a user of the broker send a heartbeat."""
    with ExitStack() as stack:
        clients: dict[str, Client] = {}

        def publish(user: str, site: str) -> None:
            if user not in clients:
                clients[user] = client = Client(CallbackAPIVersion.VERSION2)
                client.username_pw_set(user, USERS[user])
                client.connect(broker.host, broker.port)
                client.loop_start()
                stack.callback(client.loop_stop)
                stack.callback(client.disconnect)
            payload = json.dumps({"serial_number": f"from {user}"})
            clients[user].publish(f"{site}/datalogger/monstro/1/heartbeat", payload, qos=1).wait_for_publish(10)

        yield publish


async def test_home_assistant_hears_a_site_and_nobody_can_touch_anothers(
    hass: HomeAssistant, mqtt_entry: MockConfigEntry, publish: Publish
) -> None:
    entry = await setup_site(hass)

    async def on() -> bool:
        for user in ("sito_002", SITE):  # what is forbidden is dropped without an answer
            await hass.async_add_executor_job(publish, user, SITE)
        return connectivity(hass, f"datalogger/from {SITE}") == "on"

    while not await on():
        pass
    while not site_of(entry).watch.link.works:  # its own messages come back as well
        await on()

    assert list(site_of(entry).fleet.records) == [f"datalogger/from {SITE}"]


async def test_a_site_is_found_when_only_its_own_topics_may_be_read(
    hass: HomeAssistant, mqtt_entry: MockConfigEntry, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_flow, "LISTEN_SECONDS", 2)
    await until(lambda: mqtt.is_connected(hass))
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert flow["progress_action"] == "listen"

    while hass.config_entries.flow.async_get(flow["flow_id"])["step_id"] == "listen":
        for site in (SITE, "sito_002"):
            await hass.async_add_executor_job(publish, site, site)
        await hass.async_block_till_done()
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])

    assert flow["step_id"] == "heard"
    assert (flow["description_placeholders"] or {})["sites"] == f"| {SITE} | 1 |"
