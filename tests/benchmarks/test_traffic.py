"""The fleet of the benchmark sends what the integration understands, as paho would hand it over."""

from __future__ import annotations

from benchmarks.traffic import LEAVES, devices, heartbeats, inputs
from custom_components.site_devices.core.protocol import Channel, Heartbeat, Report, parse
from custom_components.site_devices.core.readings import leaves


def test_every_device_has_its_own_heartbeat_in_an_order_of_its_own():
    beats = [parse(beat.topic, beat.payload, beat.retain) for beat in heartbeats(devices(100))]
    assert all(isinstance(beat, Heartbeat) for beat in beats)
    keys = [beat.key for beat in beats]
    assert len(set(keys)) == 100
    assert sum(key.startswith("gateway/") for key in keys) == 10
    serials = [device.serial for device in devices(100)]
    assert serials != sorted(serials)
    assert serials == [device.serial for device in devices(100)]


def test_of_ten_values_one_is_another_in_each_turn():
    fleet = devices(1)
    before = None
    for turn in range(25):
        (received,) = inputs(fleet, turn)
        report = parse(received.topic, received.payload, received.retain)
        assert isinstance(report, Report)
        now = leaves(Channel.INPUT, report.data)
        assert len(now) == LEAVES
        assert sum(leaf.unit == "W" for leaf in now.values()) == LEAVES // 2
        if before:
            assert sum(now[key] != before[key] for key in now) == 1
        before = now
