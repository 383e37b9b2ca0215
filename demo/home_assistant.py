"""A whole Home Assistant as a process on a free loopback port, set up already (see `seed`).

In: entries and a folder of custom components. Out: a running Home Assistant that can be asked, stopped, killed and
started again; its configuration stays until `close`.
"""

import asyncio
from collections.abc import Sequence
import json
import os
from pathlib import Path
import time
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote
from urllib.request import Request, urlopen

from . import seed
from .process import LOOPBACK, Child, Part, StartError, free_port, tail
from .websocket import ask

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv/demo/bin/python"
STARTS_WITHIN = 180.0  # seconds; 3 once everything is compiled, far more on the first start of a slow machine


class HomeAssistant(Part):
    """A Home Assistant in a `with` block, with one configuration for as many starts as are asked for."""

    def __init__(
        self,
        entries: Sequence[seed.Entry],
        *,
        python: Path = PYTHON,
        components: Path = ROOT / "custom_components",
        language: str = "en",
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            entries: The config entries that it has from the first start on; `seed` makes them.
            python: The interpreter that has Home Assistant.
            components: The folder of custom components.
            language: That of the names it gives to entities; a browser has its own.
        """
        if not python.exists():
            raise StartError(f"There is no {python}. Run scripts/setup first.")
        super().__init__("ha")
        self.log = self.folder / "home-assistant.log"
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.token = seed.access_token()
        self._python = python
        seed.write(self.folder, port=self.port, entries=entries, components=components, language=language)

    def start(self) -> None:
        """Start it and wait until it runs; harmless if it does."""
        if self.is_running:
            return
        # As modules are compiled only once, the next start takes 3 s instead of 10.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPATH"] = str(self.folder / "stubs")
        # Without --skip-pip it would try to install what it does not find, the two packages of the stubs first of all.
        # -P: else the components of the folder that we are in would come before those that were asked for.
        command = [str(self._python), "-P", "-m", "homeassistant", "-c", str(self.folder), "--skip-pip"]
        command += ["--log-file", str(self.log), "--log-no-color"]
        self._wait_until_running(self._run(command, log=self.folder / "output.log", environment=environment))

    def get(self, path: str) -> Any:
        """Ask its REST interface: `get("/api/states")`."""
        return self._request(path, None)

    def post(self, path: str, data: dict[str, Any] | None = None) -> Any:
        """Tell its REST interface: `post("/api/services/homeassistant/restart")`."""
        return self._request(path, data or {})

    def ask(self, command: str, **fields: Any) -> Any:
        """Ask its websocket interface; in a coroutine use `websocket.ask` instead."""
        return asyncio.run(ask(self.url, self.token, command, **fields))

    def states(self) -> dict[str, dict[str, Any]]:
        """All states by entity id."""
        return {state["entity_id"]: state for state in self.get("/api/states")}

    def entity_ids(self, site: str, key: str) -> dict[tuple[str, str], str]:
        """The entities of one key, such as "connectivity", by category and serial number of their device."""
        return device_entities(self.ask("config/entity_registry/list"), site, key)

    def diagnostics(self, site: str) -> dict[str, Any]:
        """What a user would download as the diagnostics of a site."""
        entry_id = seed.site_entry(site)["entry_id"]
        data = self.get(f"/api/diagnostics/config_entry/{entry_id}")["data"]
        assert isinstance(data, dict)
        return data

    def log_text(self) -> str:
        """What it has logged since its last start."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """What its log says of the integration at warning or above, tracebacks that go through it included."""
        return [
            line
            for line in self.log_text().splitlines()
            if "site_devices" in line.replace("/site_devices-", "")  # our folders are called so, too
            and (" ERROR " in line or " WARNING " in line or line.startswith("  File "))
            and "We found a custom integration" not in line
        ]

    def _request(self, path: str, data: dict[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = None if data is None else json.dumps(data).encode()
        with urlopen(Request(self.url + path, body, headers), timeout=10) as answer:
            return json.loads(answer.read())

    def _wait_until_running(self, child: Child) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        problem = f"did not run within {STARTS_WITHIN:.0f} s"
        while time.monotonic() < deadline:
            if child.exit_code is not None:
                problem = f"ended with code {child.exit_code}"
                break
            try:
                config = self.get("/api/config")
            except (URLError, ConnectionError, TimeoutError):
                config = {}
            if config.get("recovery_mode"):
                problem = "came up in recovery mode"
                break
            if config.get("state") == "RUNNING":
                return
            time.sleep(0.1)
        quoted = self.log if self.log.exists() else self.folder / "output.log"
        raise StartError(f"Home Assistant {problem}. The end of its log:\n{tail(quoted)}")


def device_entities(registry: Sequence[dict[str, Any]], site: str, key: str) -> dict[tuple[str, str], str]:
    """Pick from an entity registry the entities of one key of a site's devices, by category and serial number."""
    found = {}
    for row in registry:
        parts = str(row["unique_id"]).split("/", 3)
        if row["platform"] == "site_devices" and len(parts) == 4 and (parts[0], parts[3]) == (site, key):
            found[parts[1], unquote(parts[2])] = str(row["entity_id"])
    return found
