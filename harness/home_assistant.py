"""A whole Home Assistant as a process on a free loopback port, set up already (see `seed`).

It can be asked, stopped, killed and started again; its configuration stays until it is closed.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
import json
import os
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote
from urllib.request import Request, urlopen

from . import seed
from .process import FOLDER, LOOPBACK, ROOT, Process, StartError, free_port
from .websocket import ask

PYTHON = ROOT / ".venv/demo/bin/python"
STARTS_WITHIN = 180.0  # seconds; 3 once everything is compiled, far more on the first start of a slow machine


class HomeAssistant(Process):
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

        Raises:
            StartError: There is no such interpreter.

        """
        if not python.exists():
            raise StartError(f"There is no {python}. Run scripts/setup first.")
        super().__init__("Home Assistant")
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
        self._run(command, environment=environment)
        self._wait_until(self._is_ready, within=STARTS_WITHIN)

    def get(self, path: str) -> Any:
        """Ask its REST interface: `get("/api/states")`."""
        return self._request(path, None)

    def post(self, path: str, data: dict[str, Any] | None = None) -> Any:
        """Tell its REST interface: `post("/api/services/homeassistant/restart")`."""
        return self._request(path, data or {})

    def ask(self, command: str, **fields: Any) -> Any:
        """Ask its websocket interface."""
        # In a thread of its own: a browser's event loop may run in this one.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, ask(self.url, self.token, command, **fields)).result()

    def states(self) -> dict[str, dict[str, Any]]:
        """Return all states by entity id."""
        return {state["entity_id"]: state for state in self.get("/api/states")}

    def entity_ids(self, site: str, key: str) -> dict[tuple[str, str], str]:
        """Return the entities of one key, such as "connectivity", by category and serial number of their device."""
        return device_entities(self.ask("config/entity_registry/list"), site, key)

    def online(self, site: str) -> dict[tuple[str, str], str]:
        """Return the connectivity entities that are on, by category and serial number of their device."""
        states = self.states()
        entities = self.entity_ids(site, "connectivity").items()
        return {identity: id_ for identity, id_ in entities if states.get(id_, {}).get("state") == "on"}

    def diagnostics(self, site: str) -> dict[str, Any]:
        """Return what a user would download as the diagnostics of a site."""
        entry_id = seed.site_entry(site)["entry_id"]
        data = self.get(f"/api/diagnostics/config_entry/{entry_id}")["data"]
        assert isinstance(data, dict)
        return data

    def log_text(self) -> str:
        """Return what it has logged since its last start."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """Return what its log says of the integration at warning or above, tracebacks that go through it included."""
        return [
            line
            for line in self.log_text().splitlines()
            if "site_devices" in line.replace(f"/{FOLDER}", "")  # our folders are called so, too
            and (" ERROR " in line or " WARNING " in line or line.startswith("  File "))
            and "We found a custom integration" not in line
        ]

    def _request(self, path: str, data: dict[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        body = None if data is None else json.dumps(data).encode()
        with urlopen(Request(self.url + path, body, headers), timeout=10) as answer:
            return json.loads(answer.read())

    def _is_ready(self) -> bool:
        try:
            config = self.get("/api/config")
        except (URLError, ConnectionError, TimeoutError):
            return False
        if config.get("recovery_mode"):
            raise self._failure("came up in recovery mode")
        return bool(config.get("state") == "RUNNING")


def device_entities(registry: Sequence[dict[str, Any]], site: str, key: str) -> dict[tuple[str, str], str]:
    """Pick from an entity registry the entities of one key of a site's devices, by category and serial number."""
    found = {}
    for row in registry:
        parts = str(row["unique_id"]).split("/", 3)
        if row["platform"] == "site_devices" and len(parts) == 4 and (parts[0], parts[3]) == (site, key):
            found[parts[1], unquote(parts[2])] = str(row["entity_id"])
    return found
