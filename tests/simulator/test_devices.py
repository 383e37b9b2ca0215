"""What a simulated device says must be believable, or the demo's graphs and our tests mean nothing."""

from datetime import UTC, datetime
from itertools import pairwise
import json
from random import Random

import pytest

from simulator.devices import Device, Payload, energy, heartbeat, input_data, make_devices, output_data, power

NOON = datetime(2026, 6, 21, 12, 0, tzinfo=UTC).timestamp()
MONSTRO, PICCOLO, _, GATEWAY = make_devices("sito_001", dataloggers=3, gateways=1)


def leaves(payload: Payload, path: str = "") -> Payload:
    found: Payload = {}
    for key, value in payload.items():
        if isinstance(value, dict) and "value" not in value:
            found |= leaves(value, f"{path}{key}.")
        else:
            found[path + key] = value
    return found


def test_addresses_and_names() -> None:
    assert MONSTRO.topic("heartbeat") == "sito_001/datalogger/monstro/1/heartbeat"
    assert PICCOLO.topic("input") == "sito_001/datalogger/piccolo/1/input"
    assert GATEWAY.topic("output") == "sito_001/gateway/1/output"
    assert [MONSTRO.name, PICCOLO.name, GATEWAY.name] == ["monstro/1", "piccolo/1", "Gateway 1"]
    assert MONSTRO.identity == ("datalogger", "MON-00001")
    assert GATEWAY.identity == ("gateway", "GW-00001")


def test_a_name_of_its_own_wins() -> None:
    device = Device(site="s", address="gateway/1", serial="A", about={"name": "Roof"})
    assert device.name == "Roof"
    assert heartbeat(device, NOON, 0, Random(1))["name"] == "Roof"


def test_serials_and_topics_are_unique() -> None:
    devices = make_devices("sito_001", dataloggers=9_900, gateways=100)
    assert len({device.serial for device in devices}) == len({device.address for device in devices}) == 10_000


@pytest.mark.parametrize("device", [MONSTRO, GATEWAY])
def test_every_payload_is_signed(device: Device) -> None:
    chance = Random(1)
    for payload in (heartbeat(device, NOON, 5, chance), input_data(device, NOON, chance), output_data(device, NOON)):
        assert payload["serial_number"] == device.serial
        assert payload["timestamp"] == "2026-06-21T12:00:00Z"
        assert json.loads(json.dumps(payload)) == payload


def test_data_has_every_kind_of_leaf() -> None:
    found = leaves(input_data(MONSTRO, NOON, Random(1)) | output_data(MONSTRO, NOON))
    assert {"temperature", "humidity", "voltage", "power", "energy", "phase.l1", "phase.l2", "phase.l3"} <= set(found)
    assert isinstance(found["mode"], str)
    assert isinstance(found["relay"], bool)
    assert found["phase.l3"]["unit"] == "V"


def test_values_stay_believable_all_year() -> None:
    chance = Random(1)
    for device in make_devices("s", dataloggers=20, gateways=0):
        for hour in range(0, 24 * 365, 7):
            data = input_data(device, NOON + 3600 * hour, chance)
            assert 5 < data["temperature"]["value"] < 30
            assert 0 < data["humidity"]["value"] < 100
            assert 220 < data["phase"]["l1"]["value"] < 240
            assert data["power"]["value"] > 0


def test_energy_only_rises_and_is_the_sum_of_the_power() -> None:
    seconds = 86_400 + 450  # a day, and half of the short wave, which a day has a whole number of
    for device in (MONSTRO, PICCOLO):
        values = [energy(device, NOON + second) for second in range(0, seconds, 10)]
        assert all(later > earlier for earlier, later in pairwise(values))
        summed = sum(power(device, NOON + second) * 10 for second in range(5, seconds, 10)) / 3_600_000
        assert energy(device, NOON + seconds) - values[0] == pytest.approx(summed, rel=1e-4)


def test_a_day_switches_relay_and_mode() -> None:
    moments = [NOON + 60 * minute for minute in range(24 * 60)]
    assert {output_data(MONSTRO, moment)["relay"] for moment in moments} == {True, False}
    assert len({input_data(MONSTRO, moment, Random(1))["mode"] for moment in moments}) == 3
