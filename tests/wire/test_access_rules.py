"""The access rules that the README gives: enough for us, and a wall between two sites."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
import json

from homeassistant.components import mqtt
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
import pytest

from custom_components.site_devices import config_flow
from custom_components.site_devices.const import DOMAIN
from harness.broker import Broker
from simulator.connection import Connection
from tests import SITE, connectivity, setup_site
from tests.checkout import ROOT
from tests.test_docs import blocks

from . import make_device, site_of, until

SECOND = "sito_002"
USERS = {"homeassistant": "secret", SITE: "of one site", SECOND: "of another"}
(README_RULES,) = (block.text for block in blocks((ROOT / "README.md").read_text(encoding="utf-8")) if not block.info)
BOTH_SITES = README_RULES + README_RULES[README_RULES.index(f"user {SITE}\n") :].replace(SITE, SECOND)

type Publish = Callable[[str, str], None]

pytestmark = [
    pytest.mark.usefixtures("mqtt_entry"),
    pytest.mark.parametrize("broker", [{"users": USERS, "acl": BOTH_SITES}], indirect=True, ids=["both sites"]),
]


@pytest.fixture
def publish(broker: Broker) -> Generator[Publish]:
    """Let a user of the broker send a heartbeat."""
    with ExitStack() as stack:
        clients = {
            user: stack.enter_context(Connection(broker.host, broker.port, username=user, password=USERS[user]))
            for user in (SITE, SECOND)
        }

        def publish(user: str, site: str) -> None:
            device = make_device(serial=f"from {user}", site=site)
            clients[user].publish(device.topic("heartbeat"), json.dumps({"serial_number": device.serial}))
            clients[user].flush()

        yield publish


async def test_home_assistant_hears_a_site_and_nobody_can_touch_anothers(hass: HomeAssistant, publish: Publish) -> None:
    entry = await setup_site(hass)

    async def on() -> bool:
        for user in (SECOND, SITE):  # what is forbidden is dropped without an answer
            await hass.async_add_executor_job(publish, user, SITE)
        return connectivity(hass, f"datalogger/from {SITE}") == "on"

    while not await on():
        pass
    while not site_of(entry).watch.link.works:  # its own messages come back as well
        await on()

    assert list(site_of(entry).fleet.records) == [f"datalogger/from {SITE}"]


async def test_a_site_is_found_when_only_its_own_topics_may_be_read(
    hass: HomeAssistant, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_flow, "LISTEN_SECONDS", 2)
    await until(lambda: mqtt.is_connected(hass))
    flow = await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER})
    assert flow["progress_action"] == "listen"

    while hass.config_entries.flow.async_get(flow["flow_id"])["step_id"] == "listen":
        for site in (SITE, SECOND):
            await hass.async_add_executor_job(publish, site, site)
        await hass.async_block_till_done()
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])

    assert flow["step_id"] == "heard"
    assert (flow["description_placeholders"] or {})["sites"] == f"| {SITE} | 1 |"
