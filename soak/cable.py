"""A cable between two brokers that can be cut: a TCP proxy on loopback."""

from __future__ import annotations

from contextlib import suppress
import socket
import threading
from typing import Self

from demo.process import LOOPBACK


class Cable:
    """Carries what comes in on `port` to another port, inside a `with` block and while it is not cut."""

    def __init__(self, target: int) -> None:
        """Take a free port."""
        self._target = target
        self._server = socket.create_server((LOOPBACK, 0))
        self.port: int = self._server.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._ends: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        """Carry."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.cut()
        self._server.close()

    def cut(self) -> None:
        """Break every connection, and make none."""
        self._whole.clear()
        while self._ends:
            end = self._ends.pop()
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def mend(self) -> None:
        """Let connections be made again."""
        self._whole.set()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self._whole.is_set():
                    near.close()
                    continue
                far = socket.create_connection((LOOPBACK, self._target))
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
