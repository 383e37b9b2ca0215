"""The command line of the simulator."""

from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
import signal
import sys
import threading
import time

from .connection import BrokerError, Connection
from .devices import make_devices
from .fleet import Fleet

REPORT_EVERY = 5.0  # seconds between two progress lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a fleet until it is interrupted; the exit code is 1 if the broker can't be used."""
    options = _parse(arguments)
    devices = make_devices(options.site, dataloggers=options.dataloggers, gateways=options.gateways)
    connection = Connection(
        options.host, options.port, username=options.username, password=options.password, tls=options.tls
    )
    fleet = Fleet(
        devices,
        connection.publish,
        interval=options.interval,
        jitter=options.jitter,
        data_every=options.data_every,
        seed=options.seed,
    )
    fleet.silence(*[device.serial for device in devices[len(devices) - options.silent :]])
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with connection, fleet:
            print(
                f"{len(devices)} devices of {options.site} on {options.host}:{options.port}; Ctrl-C stops them",
                flush=True,
            )
            _report(fleet, connection, stopping)
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"stopped after {fleet.book.sent} messages")
    return 0


def _parse(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser("scripts/simulate", description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="the broker's address")
    parser.add_argument("--port", type=int, default=1883, help="the broker's port")
    parser.add_argument("--username", help="if the broker wants a login")
    parser.add_argument("--password", help="if the broker wants a login")
    parser.add_argument("--tls", action="store_true", help="encrypt, and check the broker's certificate")
    parser.add_argument("--site", default="sito_001", help="the site code, first level of every topic")
    parser.add_argument("--dataloggers", type=_count, default=20, help="how many")
    parser.add_argument("--gateways", type=_count, default=2, help="how many")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two heartbeats of a device")
    parser.add_argument(
        "--jitter", type=float, default=0.1, help="how late a heartbeat may be, as a fraction of the interval"
    )
    parser.add_argument("--data-every", type=_count, default=3, help="data goes with each N-th heartbeat; 0: never")
    parser.add_argument("--silent", type=_count, default=0, help="this many devices, the last ones, send nothing")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same random values")
    options = parser.parse_args(arguments)
    if options.interval <= 0 or not 0 <= options.jitter <= 1:
        parser.error("--interval must be above 0, and --jitter from 0 to 1")
    if options.silent > options.dataloggers + options.gateways:
        parser.error("--silent is more than there are devices")
    if not options.site or set(options.site) & set("/+#") or options.site.startswith("$"):
        parser.error("--site must be one topic level: not empty, without / + # and no $ in front")
    return options


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _report(fleet: Fleet, connection: Connection, stopping: threading.Event) -> None:
    begun = before = time.monotonic()
    sent = 0
    while not stopping.wait(REPORT_EVERY):
        now, counts = time.monotonic(), fleet.book.counts
        total = fleet.book.sent
        print(
            f"{now - begun:6.0f} s  {len(fleet.devices) - len(fleet.silent)} of {len(fleet.devices)} devices send, "
            f"{(total - sent) / (now - before):.1f} messages/s: {counts['heartbeat']} heartbeats, "
            f"{counts['input']} inputs, {counts['output']} outputs, {counts['failed']} lost"
            + ("" if connection.is_up else "; no connection, trying every second"),
            flush=True,
        )
        sent, before = total, now
