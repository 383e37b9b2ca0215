"""What a simulated device is and what it sends.

In: a device, the time and a random generator. Out: a payload. Knows no clock, no broker, and no other device.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import cos, pi, sin
from random import Random
from typing import Any

type Payload = dict[str, Any]

TYPES = ("monstro", "piccolo")
MODES = ("auto", "eco", "boost")

# A daily wave as outdoors, and a small one of 15 minutes, so that a history graph soon has a shape.
DAY = 2 * pi / 86_400
SPELL = 2 * pi / 900
INSTALLED = datetime(2025, 1, 1, tzinfo=UTC).timestamp()  # when every energy meter started at zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A datalogger or gateway: `address` is its part of the topic, such as `datalogger/monstro/1`."""

    site: str
    address: str
    serial: str
    about: Payload = field(default_factory=dict, hash=False)
    """What its heartbeats contain besides the serial number, such as `model` and `sw_version`."""
    shift: float = 0.0
    """From 0 to 1: makes its curves differ from those of other devices."""

    @property
    def identity(self) -> tuple[str, str]:
        """What identifies it within its site: category (datalogger or gateway) and serial number."""
        return self.address.split("/")[0], self.serial

    @property
    def key(self) -> str:
        """The same as Home Assistant's ids have it, such as `gateway/GW-00001`."""
        return "/".join(self.identity)

    @property
    def is_gateway(self) -> bool:
        """Whether this is a gateway rather than a datalogger."""
        return self.identity[0] == "gateway"

    @property
    def name(self) -> str:
        """The name it should have in Home Assistant: the one in its heartbeats, or else one made from its address."""
        parts = self.address.split("/")
        return self.about.get("name") or (f"Gateway {parts[1]}" if self.is_gateway else "/".join(parts[1:]))

    def topic(self, channel: str) -> str:
        """The topic of one of its channels: heartbeat, input or output."""
        return f"{self.site}/{self.address}/{channel}"


def make_devices(site: str, *, dataloggers: int, gateways: int) -> list[Device]:
    """Make a site: its dataloggers, alternating between the types, and then its gateways."""
    made = []
    for index in range(dataloggers):
        kind, number = TYPES[index % len(TYPES)], index // len(TYPES) + 1
        made.append(_make(site, f"datalogger/{kind}/{number}", f"{kind[:3].upper()}-{number:05d}"))
    made += [_make(site, f"gateway/{number}", f"GW-{number:05d}") for number in range(1, gateways + 1)]
    return made


def _make(site: str, address: str, serial: str) -> Device:
    about = {"manufacturer": "Example Works", "sw_version": "2.4.1"}
    if address.startswith("gateway/"):
        about["model"] = "Bridge 4G"  # dataloggers show the model derived from their topic
    return Device(site=site, address=address, serial=serial, about=about, shift=Random(serial).random())


def heartbeat(device: Device, now: float, uptime: float, chance: Random) -> Payload:
    """The payload of a heartbeat; `now` is in epoch seconds, as in all of these functions."""
    extra: Payload = {"rssi": round(-62 - 20 * device.shift + chance.gauss(0, 2)), "uptime": round(uptime)}
    if not device.is_gateway:
        extra["battery"] = _quantity(88 + 8 * sin(DAY * now + device.shift), "%", 0)
    return _signed(device, now) | device.about | extra


def input_data(device: Device, now: float, chance: Random) -> Payload:
    """The payload of an input: what a device measures."""
    if device.is_gateway:
        return _signed(device, now) | {
            "cpu_temperature": _quantity(48 + 4 * _wave(device, now) + chance.gauss(0, 0.3), "°C", 1),
            "memory_used": _quantity(41 + 6 * sin(SPELL * now) + chance.gauss(0, 0.5), "%", 1),
            "uplink": "LTE" if device.shift < 0.5 else "Ethernet",
        }
    return _signed(device, now) | {
        "temperature": _quantity(17 + 6 * _wave(device, now) + chance.gauss(0, 0.05), "°C", 2),
        "humidity": _quantity(58 - 18 * _wave(device, now) + chance.gauss(0, 0.2), "%", 1),
        "voltage": _quantity(12.8 + 0.5 * _wave(device, now) + chance.gauss(0, 0.01), "V", 2),
        "power": _quantity(power(device, now), "W", 1),
        "energy": _quantity(energy(device, now), "kWh", 3),
        "phase": {
            name: _quantity(230 + 2 * sin(SPELL * now + turn + device.shift) + chance.gauss(0, 0.3), "V", 1)
            for turn, name in enumerate(("l1", "l2", "l3"))
        },
        "mode": MODES[int(now / 600 + 3 * device.shift) % len(MODES)],
    }


def output_data(device: Device, now: float) -> Payload:
    """The payload of an output: what a device has switched."""
    relay = _wave(device, now) > 0 or sin(2 * SPELL * now + device.shift) > 0.5
    return _signed(device, now) | {"relay": relay}


def power(device: Device, now: float) -> float:
    """The power a device draws, in W: never negative, so that its energy only rises."""
    return _mean_power(device) * (1 - 0.6 * cos(DAY * now + device.shift) + 0.3 * sin(SPELL * now + device.shift))


def energy(device: Device, now: float) -> float:
    """The energy since the device was installed, in kWh: the integral of its power in closed form.

    So no state is needed, and a restarted simulator continues where the last one ended.
    """
    past = now - INSTALLED - 0.6 / DAY * sin(DAY * now + device.shift) - 0.3 / SPELL * cos(SPELL * now + device.shift)
    return _mean_power(device) * past / 3_600_000


def _mean_power(device: Device) -> float:
    return 200 + 600 * device.shift


def _wave(device: Device, now: float) -> float:
    """From about -1 to 1: cold at night, warm in the afternoon, with a ripple of 15 minutes."""
    return -0.85 * cos(DAY * (now - 7200) - device.shift) + 0.15 * sin(SPELL * now + 6 * device.shift)


def _quantity(value: float, unit: str, digits: int) -> Payload:
    return {"value": round(value, digits), "unit": unit}


def _signed(device: Device, now: float) -> Payload:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"serial_number": device.serial, "timestamp": moment}
