"""A PostgreSQL server of our own: its data in a temporary folder, on a free loopback port."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import pwd
import shutil
import subprocess
from tempfile import TemporaryDirectory
import time
from typing import Self

from demo.process import LOOPBACK, Child, free_port, wait_for_port

from .outcome import MissingError

_PLACES = Path("/usr/lib/postgresql")  # where Debian has its versions, none of them on the PATH
_USER = "postgres"  # the server does not run as root


class Postgres:
    """A server inside a `with` block."""

    def __init__(self, *databases: str) -> None:
        """Find the server, or raise a MissingError; it will have these databases."""
        self._databases = databases
        self._programs = next(iter(sorted(_PLACES.glob("*/bin"), reverse=True)), None)
        if self._programs is None:
            found = shutil.which("postgres")
            if found is None:
                raise MissingError("PostgreSQL is not installed (Debian's postgresql)")
            self._programs = Path(found).parent
        self.port = free_port()

    def __enter__(self) -> Self:
        """Start it, with an owner who needs no password: it is on loopback only, and for minutes."""
        self._folder = TemporaryDirectory(prefix="site_devices-postgres-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        subprocess.run(
            self._as_owner("initdb", "-D", str(data), "-U", _USER, "--auth=trust"), check=True, capture_output=True
        )
        log = folder / "log"
        command = self._as_owner("postgres", "-D", str(data), "-p", str(self.port), "-h", LOOPBACK, "-k", str(folder))
        self._child = Child(command, log=log)
        wait_for_port(self.port, self._child, name="PostgreSQL", log=log, within=20)
        ready = self._as_owner("pg_isready", "-h", LOOPBACK, "-p", str(self.port))
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            time.sleep(0.1)
        for database in self._databases:
            subprocess.run(
                self._as_owner("createdb", "-h", LOOPBACK, "-p", str(self.port), "-U", _USER, database), check=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and remove its folder."""
        self._child.stop()
        self._folder.cleanup()

    def url(self, database: str) -> str:
        """Return what Home Assistant's recorder calls a database."""
        return f"postgresql://{_USER}@{LOOPBACK}:{self.port}/{database}"

    def ask(self, database: str, query: str) -> str:
        """Return the answer to a query, as text."""
        command = self._as_owner(
            "psql", "-h", LOOPBACK, "-p", str(self.port), "-U", _USER, "-At", "-c", query, database
        )
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _as_owner(self, program: str, *arguments: str) -> Sequence[str]:
        assert self._programs
        prefix = ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []
        return [*prefix, str(self._programs / program), *arguments]
