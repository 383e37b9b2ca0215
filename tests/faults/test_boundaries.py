"""What is not yours you can't reach: sites are apart, and so are Home Assistants on one broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable
from itertools import islice, product
import json
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest

from custom_components.site_devices.const import DOMAIN
from harness.broker import Broker
from harness.core import add_site, running_core
from harness.waiting import async_until
from simulator.connection import Connection
from soak.hostile import TEXTS, Hostile

from . import needs_broker

SITE_A, SITE_B = "sito_a", "sito_b"
ACL = f"""
user ha
topic readwrite #
user {SITE_A}
topic write {SITE_A}/#
user {SITE_B}
topic write {SITE_B}/#
"""
USERS = {"ha": "secret", SITE_A: "secret", SITE_B: "secret"}

pytestmark = needs_broker


class Publisher(Connection):
    """A client at one site."""

    def __init__(self, broker: Broker, user: str) -> None:
        super().__init__(broker.host, broker.port, username=user, password=USERS[user])

    def send(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        self.publish(topic, json.dumps(payload), retain=retain)


@pytest.fixture
def broker() -> Generator[Broker]:
    """Let each site publish below its own code only."""
    with Broker(users=USERS, acl=ACL) as broker:
        yield broker


@pytest.fixture
async def hass_on_broker(broker: Broker) -> AsyncGenerator[HomeAssistant]:
    async with running_core(broker.port, username="ha", password="secret") as hass:
        yield hass


def snapshot(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, Any]:
    """Return all that is known of a site, and all that Home Assistant shows of it."""
    site = entry.runtime_data
    devices = {
        device.id: (device.name, device.model, device.serial_number, device.sw_version, device.identifiers)
        for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    }
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    states = {one.unique_id: hass.states.get(one.entity_id) for one in entities}
    records = {key: [getattr(record, name) for name in record.__slots__] for key, record in site.fleet.records.items()}
    return {
        "records": repr(records),
        "devices": devices,
        "states": {id_: state and state.as_dict() for id_, state in states.items()},
        "messages": site.watch.messages,
        "ignored": dict(site.log.ignored),
    }


async def test_a_publisher_of_one_site_changes_nothing_of_another(
    broker: Broker, hass_on_broker: HomeAssistant
) -> None:
    hass = hass_on_broker
    site_a, site_b = [await add_site(hass, code, {"offline_after": 3600}) for code in (SITE_A, SITE_B)]
    with Publisher(broker, SITE_B) as victim, Publisher(broker, SITE_A) as attacker:
        places = {"datalogger/monstro/1": "TEST123", "gateway/1": "GW-1"}
        for place, serial in places.items():

            def heard(serial: str = serial, place: str = place) -> bool:
                # again and again: the subscription takes a moment
                victim.send(f"{SITE_B}/{place}/heartbeat", {"serial_number": serial, "rssi": -60})
                return any(key.endswith(serial) for key in site_b.runtime_data.fleet.records)

            await async_until(heard)
            victim.send(f"{SITE_B}/{place}/input", {"serial_number": serial, "power": {"value": 1, "unit": "W"}})
        await async_until(lambda: sum(len(record.data) for record in site_b.runtime_data.fleet.records.values()) == 4)
        # what the site tells later, of its own
        await async_until(lambda: (known := hass.states.get(f"sensor.{SITE_B}_devices_known")) and known.state == "2")
        for kind in list(site_b.runtime_data.digest._windows):
            site_b.runtime_data.digest._send(kind)
        await hass.async_block_till_done()
        before = snapshot(hass, site_b)

        serials = [*places.values(), f"../{SITE_B}/TEST123", f"{SITE_B}/datalogger/TEST123", "%2E%2E%2FTEST123"]
        prefixes = [
            SITE_A,
            SITE_B,
            f"/{SITE_B}",
            f"{SITE_A}/../{SITE_B}",
            f"{SITE_A}%2F..%2F{SITE_B}",
            SITE_B.upper(),
            "$SYS",
            "$share/x",
        ]
        for prefix, place, channel, serial in product(prefixes, places, ("heartbeat", "input", "output"), serials):
            payload = {"serial_number": serial, "name": "stolen", "power": 9, "site": SITE_B, "site_code": SITE_B}
            attacker.send(f"{prefix}/{place}/{channel}", payload, retain=len(prefix) % 2 == 0)
        for text in TEXTS:
            level = "".join(char for char in text if char.isprintable() and char not in "+#").encode("utf-8", "ignore")
            attacker.send(
                f"{SITE_A}/datalogger/{SITE_B}/{level.decode()[:200]}/heartbeat", {"serial_number": "TEST123"}
            )
        for site in (SITE_A, SITE_B):
            for message in islice(Hostile(site, seed=3, honest=serials), 1_000):
                attacker.publish(message.topic, message.payload, retain=message.retain)
        attacker.send(f"{SITE_A}/gateway/1/heartbeat", {"serial_number": "GW-1", "name": "the last of them"})
        attacker.flush()
        known = site_a.runtime_data.fleet.records
        await async_until(lambda: "gateway/GW-1" in known and known["gateway/GW-1"].info.name == "the last of them")
        await hass.async_block_till_done()
        assert known.keys() >= {"datalogger/TEST123", "gateway/GW-1"}  # his own, at his own site
        assert snapshot(hass, site_b) == before

        # nor has he left anything on the broker for the next start
        assert await hass.config_entries.async_reload(site_b.entry_id)
        await asyncio.sleep(1)
        await hass.async_block_till_done()
        assert site_b.runtime_data.watch.messages == 0
        assert set(site_b.runtime_data.fleet.records) == {"datalogger/TEST123", "gateway/GW-1"}


async def test_two_home_assistants_on_one_broker_do_not_disturb_each_other(
    broker: Broker, hass_on_broker: HomeAssistant
) -> None:
    first = await add_site(hass_on_broker, SITE_A, {"offline_after": 5})
    with Publisher(broker, SITE_A) as device:
        async with running_core(broker.port, username="ha", password="secret") as other:
            second = await add_site(other, SITE_A, {"offline_after": 5})

            def online(entry: ConfigEntry) -> bool:
                device.send(f"{SITE_A}/gateway/1/heartbeat", {"serial_number": "GW-1"})
                return "gateway/GW-1" in entry.runtime_data.fleet.records

            await async_until(lambda: online(first))
            await async_until(lambda: online(second))
            flips = []
            hass_on_broker.bus.async_listen("state_changed", lambda event: flips.append(event.data["entity_id"]))
            site = first.runtime_data
            deleted = next(iter(dr.async_entries_for_config_entry(dr.async_get(other), second.entry_id)))
            second.runtime_data.async_set_monitoring(False)
            for _ in range(3):
                assert await other.config_entries.async_reload(second.entry_id)
                device.send(f"{SITE_A}/gateway/1/heartbeat", {"serial_number": "GW-1"})
            dr.async_get(other).async_remove_device(deleted.id)
            assert await other.config_entries.async_remove(second.entry_id)
            messages = site.watch.messages
            await async_until(lambda: online(first) and site.watch.messages > messages + 2)
        # the other one is gone altogether
        messages = site.watch.messages
        await async_until(lambda: online(first) and site.watch.messages > messages + 2)
        assert site.fleet.records["gateway/GW-1"].online
        assert not [entity_id for entity_id in flips if entity_id.endswith("_connectivity")]


# each pair must not meet: (site, topic below it, serial)
ALIKE = [
    ("a", "datalogger/x/1", "b_c"),
    ("a_b", "datalogger/x/1", "c"),
    ("a", "datalogger/x/2", "b/c"),
    ("a", "datalogger/x/3", "b%2Fc"),
    ("a", "datalogger/x/4", "b%252Fc"),
    ("a", "datalogger/x/5", "b.c"),
    ("a", "datalogger/x/6", "b c"),
    ("a", "datalogger/x/7", "B_C"),
    ("a", "gateway/1", "b_c"),
    ("a", "gateway/2", "1"),
    ("a", "gateway/3", "01"),
    ("A", "gateway/1", "b_c"),
    ("a b", "gateway/1", "c"),
    ("a.b", "gateway/1", "c"),
    ("a%2Fb", "gateway/1", "c"),
    ("a%", "gateway/1", "2Fb"),
    ("datalogger", "gateway/1", "gateway"),
    ("gateway", "datalogger/gateway/1", "gateway"),
    ("à", "gateway/1", "c"),
    ("a\u0300", "gateway/1", "c"),
]


async def test_sites_and_serials_that_look_alike_never_meet(broker: Broker, hass_on_broker: HomeAssistant) -> None:
    hass = hass_on_broker
    codes = list(dict.fromkeys(site for site, _, _ in ALIKE))
    entries = {code: await add_site(hass, code, {"offline_after": 3600}) for code in codes}
    with Publisher(broker, "ha") as everybody:

        def all_known() -> bool:
            for site, place, serial in ALIKE:
                everybody.send(
                    f"{site}/{place}/heartbeat", {"serial_number": serial, "rssi": 1, "a.b": 1, "a": {"b": 2}}
                )
                everybody.send(f"{site}/{place}/input", {"serial_number": serial, "a.b": 1, "a": {"b": 2}, "a%2Eb": 3})
            known = all(len(entry.runtime_data.fleet.records) >= _count(code) for code, entry in entries.items())
            return known and len(_leaves(hass, entries.values())) >= 3 * len(ALIKE)

        await async_until(all_known)
        await hass.async_block_till_done()
        for code, entry in entries.items():
            assert len(entry.runtime_data.fleet.records) == _count(code)
        devices = [
            device
            for entry in entries.values()
            for device in dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
        ]
        identifiers = [identifier for device in devices for identifier in device.identifiers if identifier[0] == DOMAIN]
        assert len(set(identifiers)) == len(identifiers) == len(ALIKE) + len(codes)
        assert len({device.id for device in devices}) == len(devices)
        entities = [
            entity
            for entry in entries.values()
            for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        ]
        assert len({entity.unique_id for entity in entities}) == len(entities)
        assert len({entity.entity_id for entity in entities}) == len(entities)
        connectivity = [entity for entity in entities if entity.unique_id.endswith("/connectivity")]
        assert len(connectivity) == len(ALIKE) + len(codes)
        states = [hass.states.get(entity.entity_id) for entity in connectivity]
        assert [state and state.state for state in states] == ["on"] * len(connectivity)
        assert len(_leaves(hass, entries.values())) == 3 * len(ALIKE)


def _leaves(hass: HomeAssistant, entries: Iterable[ConfigEntry]) -> list[er.RegistryEntry]:
    registry = er.async_get(hass)
    return [
        entity
        for entry in entries
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if "/in/" in entity.unique_id
    ]


def _count(code: str) -> int:
    return sum(site == code for site, _, _ in ALIKE)
