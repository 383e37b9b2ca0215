"""Waiting for what happens in other processes and threads, and, in a coroutine, for what happens in its own loop."""

import asyncio
from collections.abc import Callable
import threading
import time

PATIENCE = 60.0  # seconds; generous, since a busy machine is no bug
POLL = 0.2

interrupted = threading.Event()
"""Whether nobody is interested any longer; a signal itself reaches the main thread only."""


def pause(seconds: float) -> None:
    """Let time pass.

    Raises:
        RuntimeError: The run was interrupted.

    """
    if interrupted.wait(seconds):
        raise RuntimeError("the run was interrupted")


def until[T](condition: Callable[[], T | None], *, within: float = PATIENCE, poll: float = POLL) -> T:
    """Wait until something has come about, and return what it is.

    Raises:
        TimeoutError: It has not.

    """
    end = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"it has not come about within {within:.0f} s")
        pause(poll)
    return found


def seconds_until(condition: Callable[[], object], *, within: float = PATIENCE, poll: float = POLL) -> float:
    """Wait until something has come about, and return how many seconds that took."""
    begun = time.monotonic()
    until(condition, within=within, poll=poll)
    return time.monotonic() - begun


async def async_until[T](condition: Callable[[], T | None], *, within: float = PATIENCE, poll: float = 0.05) -> T:
    """Let the loop turn until something has come about, and return what it is.

    Raises:
        TimeoutError: It has not.

    """
    end = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"it has not come about within {within:.0f} s")
        await asyncio.sleep(poll)
    return found
