"""A PostgreSQL server of our own: its data in a temporary folder, on a free loopback port."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import pwd
import shutil
import subprocess

from harness.process import LOOPBACK, Process, free_port

from .outcome import MissingError

STARTS_WITHIN = 20.0  # seconds
_PLACES = Path("/usr/lib/postgresql")  # where Debian has its versions, none of them on the PATH
_USER = "postgres"  # the server does not run as root


class Postgres(Process):
    """A server in a `with` block, whose owner needs no password: it is on loopback only, and for minutes."""

    def __init__(self, *databases: str) -> None:
        """Find the server, or raise a MissingError; it will have these databases."""
        programs = next(iter(sorted(_PLACES.glob("*/bin"), reverse=True)), None)
        if programs is None:
            found = shutil.which("postgres")
            if found is None:
                raise MissingError("PostgreSQL is not installed (Debian's postgresql)")
            programs = Path(found).parent
        super().__init__("PostgreSQL")
        self.port = free_port()
        self._programs = programs
        self._databases = databases

    def start(self) -> None:
        """Make the data, start the server and make the databases."""
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        data = self.folder / "data"
        self._do("initdb", "-D", str(data), "-U", _USER, "--auth=trust")
        server = ("postgres", "-D", str(data), "-p", str(self.port), "-h", LOOPBACK, "-k", str(self.folder))
        self._run(self._as_owner(*server))
        self._wait_until(self._is_ready, within=STARTS_WITHIN)
        for database in self._databases:
            self._do("createdb", *self._server, "-U", _USER, database)

    def url(self, database: str) -> str:
        """Return what Home Assistant's recorder calls a database."""
        return f"postgresql://{_USER}@{LOOPBACK}:{self.port}/{database}"

    def ask(self, database: str, query: str) -> str:
        """Return the answer to a query, as text."""
        return self._do("psql", *self._server, "-U", _USER, "-At", "-c", query, database).strip()

    def _is_ready(self) -> bool:
        asked = subprocess.run(self._as_owner("pg_isready", *self._server), capture_output=True, check=False)
        return asked.returncode == 0

    @property
    def _server(self) -> tuple[str, ...]:
        return ("-h", LOOPBACK, "-p", str(self.port))

    def _do(self, program: str, *arguments: str) -> str:
        command = self._as_owner(program, *arguments)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def _as_owner(self, program: str, *arguments: str) -> Sequence[str]:
        prefix = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
        return [*prefix, str(self._programs / program), *arguments]
