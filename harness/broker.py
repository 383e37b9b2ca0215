"""An MQTT broker on a free loopback port, with faults on demand. Standard library only.

Mosquitto, as users run it; where it is not installed, the embedded broker that comes by pip (`iotcore`): enough to
look at the demo, but without logins and access lists.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys

from .process import LOOPBACK, Process, StartError, free_port, takes_connections

STARTS_WITHIN = 10.0  # seconds; it takes 0.1
_SYSTEM_PATHS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # often missing from a plain user's PATH
_IOTCORE = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "v4-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""


def find(program: str) -> str | None:
    """Return the path of an installed program."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_PATHS]))


class Broker(Process):
    """A broker in a `with` block, always on the same port."""

    host = LOOPBACK

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            users: Passwords by user name; without any, everybody may connect.
            acl: The text of a Mosquitto access list.
            settings: Further lines for mosquitto.conf.

        Raises:
            StartError: No broker that can do that is installed.

        """
        super().__init__("Mosquitto")
        self.port = free_port()
        self.protocol = "5"
        self.users = dict(users or {})
        self._acl = self.folder / "acl"
        conf = self.folder / "broker.conf"
        if program := find("mosquitto"):
            conf.write_text("\n".join([*self._settings(acl), *settings, ""]), encoding="utf-8")
            self._command = [program, "-c", str(conf)]
        elif find_spec("iotcore") and not (users or acl or settings):
            self.name = "iotcore"
            self.protocol = "3.1.1"  # its listeners speak one version each
            conf.write_text(_IOTCORE.format(host=self.host, port=self.port), encoding="utf-8")
            self._command = [sys.executable, "-m", "iotcore", "--config", str(conf)]
        else:
            raise StartError("Mosquitto is not installed.")

    def start(self) -> None:
        """Start it and wait until it takes connections; harmless if it runs."""
        if not self.is_running:
            self._run(self._command)
            self._wait_until(partial(takes_connections, self.port), within=STARTS_WITHIN)

    def change_access(self, acl: str) -> None:
        """Replace the access list of a running Mosquitto that was given one; clients stay connected."""
        self._acl.write_text(acl, encoding="utf-8")
        self.send(signal.SIGHUP)

    def connections(self, client_id: str) -> int | None:
        """Return how often a client has connected so far; None if this broker keeps no log of it."""
        if self.name != "Mosquitto":
            return None
        return self.log.read_text(encoding="utf-8", errors="replace").count(f" as {client_id} (")

    def _settings(self, acl: str | None) -> list[str]:
        lines = [f"listener {self.port} {self.host}", f"allow_anonymous {'false' if self.users else 'true'}"]
        if os.geteuid() == 0:
            lines.append("user root")  # else it changes to a user who can't read its own folder here
        if self.users:
            lines.append(f"password_file {self._password_file()}")
        if acl is not None:
            self._acl.write_text(acl, encoding="utf-8")
            self._acl.chmod(0o600)
            lines.append(f"acl_file {self._acl}")
        return lines

    def _password_file(self) -> Path:
        tool = find("mosquitto_passwd")
        if tool is None:
            raise StartError("mosquitto_passwd is missing; it belongs to Mosquitto.")
        file = self.folder / "passwords"
        file.touch(mode=0o600)
        for user, password in self.users.items():
            subprocess.run([tool, "-b", str(file), user, password], check=True, capture_output=True)
        return file
