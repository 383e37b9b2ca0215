"""Waiting for what happens in other processes, in any thread: all of it ends at once when the run is interrupted."""

from __future__ import annotations

from collections.abc import Callable
import threading
import time
from typing import Any

PATIENCE = 60.0  # seconds; generous, since a busy machine is no bug
POLL = 0.2

interrupted = threading.Event()
"""Whether nobody is interested any more; a signal itself reaches the main thread only."""


def pause(seconds: float) -> None:
    """Let time pass."""
    if interrupted.wait(seconds):
        raise RuntimeError("the run was interrupted")


def until(condition: Callable[[], Any], *, within: float = PATIENCE, poll: float = POLL) -> float:
    """Wait until something has come about; return how many seconds that took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() > begun + within:
            raise TimeoutError(f"it has not come about within {within:.0f} s")
        pause(poll)
    return time.monotonic() - begun
