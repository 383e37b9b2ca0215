"""A cluster of RabbitMQ nodes with its MQTT plugin, behind haproxy; and the node that Home Assistant is on is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
import os
from pathlib import Path
import shutil
import subprocess
from tempfile import TemporaryDirectory
import time
from typing import Any, Self

from demo.broker import SYSTEM_PATHS
from demo.process import LOOPBACK, Child, free_port, wait_for_port
from simulator.connection import Connection
from simulator.devices import make_devices
from simulator.fleet import Fleet

from .bridge import History
from .core import Lines, add_site, running_core
from .outcome import MissingError, Outcome

SITE = "sito_001"
DEVICES = 100
INTERVAL = 5.0
OFFLINE_AFTER = 30
STARTS_WITHIN = 120.0  # seconds
BACK_WITHIN = 30.0
_PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # the programs themselves; those on the PATH change the user


class Cluster:
    """Nodes and a proxy before them, inside a `with` block: clients of `port` are on the first node that lives."""

    def __init__(self, nodes: int) -> None:
        """Find what it takes, or raise a MissingError."""
        path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_PATHS])
        for program in (_PROGRAMS / "rabbitmq-server", "haproxy", "epmd"):
            if shutil.which(program, path=path) is None:
                raise MissingError(f"{program} is not there (Debian's rabbitmq-server and haproxy)")
        self._path = path
        self._names = [f"soak{number}@localhost" for number in range(nodes)]
        self._stack = ExitStack()
        self._ports = [free_port() for _ in self._names]  # of MQTT
        self._children: list[Child] = []
        self.port = free_port()

    def __enter__(self) -> Self:
        """Start it all."""
        with self._stack:
            self._start_all()
            self._stack = self._stack.pop_all()  # it all stays as long as nothing has failed
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it all: nothing of it is worth saving."""
        self._stack.close()

    def direct_port(self, index: int) -> int:
        """Return the MQTT port of a node."""
        return self._ports[index]

    def is_running(self, index: int) -> bool:
        """Tell whether a node lives."""
        return self._children[index].exit_code is None

    def kill(self, index: int) -> None:
        """Kill a node, as a power cut does."""
        self._children[index].kill()

    def _start_all(self) -> None:
        folder = TemporaryDirectory(prefix="site_devices-rabbit-", ignore_cleanup_errors=True)
        self.folder = Path(self._stack.enter_context(folder))
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text("SOAK", encoding="utf-8")
        cookie.chmod(0o400)
        epmd = str(free_port())
        names = [name for name in os.environ if not name.startswith("RABBITMQ_")]
        self._environment = {name: os.environ[name] for name in names}
        self._environment |= {
            "HOME": str(self.folder),
            "PATH": self._path,
            "ERL_EPMD_PORT": epmd,
            "ERL_EPMD_ADDRESS": LOOPBACK,
        }
        self._start("epmd", ["epmd", "-port", epmd, "-address", LOOPBACK], self._environment)
        self._children += [self._node(index) for index in range(len(self._names))]
        for port, child in zip(self._ports, self._children, strict=True):
            wait_for_port(port, child, name="RabbitMQ", log=self.folder / "node0.log", within=STARTS_WITHIN)
        end = time.monotonic() + STARTS_WITHIN
        while self._peers() != len(self._names) - 1:
            if time.monotonic() > end:
                raise RuntimeError("the nodes have not found each other")
            time.sleep(1)
        proxy = self.folder / "haproxy.cfg"
        proxy.write_text(self._proxy_settings(), encoding="utf-8")
        child = self._start("haproxy", ["haproxy", "-db", "-f", str(proxy)], self._environment)
        wait_for_port(self.port, child, name="haproxy", log=self.folder / "haproxy.log", within=10)

    def _start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> Child:
        found = shutil.which(command[0], path=self._path) or command[0]
        child = Child([found, *command[1:]], log=self.folder / f"{name}.log", environment=environment)
        self._stack.callback(child.kill)
        return child

    def _node(self, index: int) -> Child:
        home = self.folder / f"node{index}"
        home.mkdir()
        settings = [
            f"listeners.tcp.1 = {LOOPBACK}:{free_port()}",
            f"mqtt.listeners.tcp.1 = {LOOPBACK}:{self._ports[index]}",
            "mqtt.allow_anonymous = true",
            "cluster_formation.peer_discovery_backend = classic_config",
            *(
                f"cluster_formation.classic_config.nodes.{number} = {name}"
                for number, name in enumerate(self._names, 1)
            ),
        ]
        (home / "rabbitmq.conf").write_text("\n".join([*settings, ""]), encoding="utf-8")
        (home / "plugins").write_text("[rabbitmq_mqtt].\n", encoding="utf-8")
        environment = self._environment | {
            "RABBITMQ_NODENAME": self._names[index],
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(home),
            "RABBITMQ_LOG_BASE": str(home),
            "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -setcookie SOAK",
        }
        return self._start(f"node{index}", [str(_PROGRAMS / "rabbitmq-server")], environment)

    def _peers(self) -> int:
        command = [
            str(_PROGRAMS / "rabbitmqctl"),
            "-n",
            self._names[-1],
            "eval",
            "length(rabbit_nodes:all_running()) - 1.",
        ]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        return int(done.stdout.strip()) if done.stdout.strip().isdecimal() else -1

    def _proxy_settings(self) -> str:
        servers = [
            f"  server node{index} {LOOPBACK}:{port} check inter 1s fall 2 rise 2 on-marked-down shutdown-sessions"
            for index, port in enumerate(self._ports)
        ]
        # with `first` all are on one node, so that it is the one to kill; in earnest it would be leastconn
        lines = ["defaults", "  mode tcp", "  timeout connect 3s", "  timeout client 3m", "  timeout server 3m"]
        lines += ["frontend mqtt", f"  bind {LOOPBACK}:{self.port}", "  default_backend nodes"]
        lines += ["backend nodes", "  balance first", "  option redispatch", *servers, ""]
        return "\n".join(lines)


def cluster(nodes: int) -> Outcome:
    """Kill the node that Home Assistant and half of the devices are on; judge that it goes on over another."""
    with Cluster(nodes) as running:
        return asyncio.run(_kill_node(running, nodes))


async def _kill_node(running: Cluster, nodes: int) -> Outcome:
    lines = Lines()
    devices = make_devices(SITE, dataloggers=DEVICES, gateways=0)
    with (
        Connection(LOOPBACK, running.port, client_id="through-proxy") as there,
        Connection(LOOPBACK, running.direct_port(1), client_id="on-second-node") as here,
        Fleet(devices[::2], there.publish, interval=INTERVAL, data_every=0) as _,
        Fleet(devices[1::2], here.publish, interval=INTERVAL, data_every=0) as _,
    ):
        async with running_core(running.port, protocol="3.1.1") as hass:
            history = History(hass)
            entry = await add_site(hass, SITE, {"offline_after": OFFLINE_AFTER})
            site = entry.runtime_data
            await asyncio.sleep(3 * INTERVAL)
            wrong = [] if len(site.fleet.records) == DEVICES else [f"{len(site.fleet.records)} devices known"]
            retained = await _retained(hass, there, entry)
            site = entry.runtime_data

            running.kill(0)
            killed = time.monotonic()
            lost = site.watch.messages
            while site.subscription.connected and time.monotonic() < killed + BACK_WITHIN:
                await asyncio.sleep(0.05)
            noticed = time.monotonic() - killed
            while not site.subscription.connected and time.monotonic() < killed + 2 * BACK_WITHIN:
                await asyncio.sleep(0.05)
                lost = site.watch.messages
            while site.watch.messages == lost and time.monotonic() < killed + 2 * BACK_WITHIN:
                await asyncio.sleep(0.05)
            back = time.monotonic() - killed
            if back > BACK_WITHIN:
                wrong.append(f"Home Assistant heard nothing for {back:.1f} s")
            await asyncio.sleep(2 * OFFLINE_AFTER)
            for device in devices:
                states = history.states(SITE, device.serial, killed)
                if states or not site.fleet.records[f"datalogger/{device.serial}"].online:
                    wrong.append(f"{device.serial} was {states}")
            if not running.is_running(1):
                wrong.append("the second node has ended")
            figures: dict[str, Any] = {
                "nodes": nodes,
                "loss noticed after (s)": round(noticed, 1),
                "first message over another node after (s)": round(back, 1),
                "a retained heartbeat is known after a reload": retained,
                "events": dict(history.events),
            }
            return Outcome(figures, wrong[:20] + [line for line in lines.bad if "site_devices" in line])


async def _retained(hass: Any, connection: Connection, entry: Any) -> bool:
    """Tell whether the broker hands over a retained heartbeat to whoever subscribes with wildcards."""
    topic, payload = f"{SITE}/gateway/99/heartbeat", '{"serial_number": "RETAINED"}'
    entry.runtime_data.async_set_monitoring(False)  # it is not to be heard as a live one
    connection.publish(topic, payload, qos=1, retain=True)
    await asyncio.sleep(1)
    entry.runtime_data.async_set_monitoring(True)
    await hass.config_entries.async_reload(entry.entry_id)
    await asyncio.sleep(INTERVAL)
    return "gateway/RETAINED" in entry.runtime_data.fleet.records
