"""An event loop whose time jumps, and with it the wall clock: what a day takes is over in minutes.

`python -m soak.jumping HOURS DEVICES`, as a `Worker`: a process of its own, since it changes the time of all that is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
import json
import sys
import time

from harness.worker import Worker

from .outcome import Outcome


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that can jump to its timers rather than wait for them.

    `jumping`: it does. Not while anything is connected or disconnected, which takes real time and is waited for with a timer.
    """

    def __init__(self) -> None:
        """Begin at the real time."""
        super().__init__()
        self.jumping = False
        self.jumped = 0.0
        self._jobs = 0  # in threads, which live in real time: as long as one runs, nothing jumps

    def time(self) -> float:
        """Return the time on this loop's clock."""
        return super().time() + self.jumped

    def run_in_executor[*Ts, T](
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run a job in a thread."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _future: object) -> None:
        self._jobs -= 1

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        if self.jumping and not ready and scheduled and not self._jobs:
            self.jumped += max(0.0, scheduled[0].when() - self.time())
        super()._run_once()  # type: ignore[misc]


def endurance(hours: int, devices: int) -> Outcome:
    """Run a fleet for so many hours of loop time."""
    with Worker("soak.jumping", hours, devices) as worker:
        figures = worker.answer()
    return Outcome(figures, figures.pop("wrong"))


def _main(hours: str, devices: str) -> None:
    loop, real_time = JumpingLoop(), time.time
    time.time = lambda: real_time() + loop.jumped
    from .endurance import live  # noqa: PLC0415  # Home Assistant takes the clock with it

    asyncio.set_event_loop(loop)
    print(json.dumps(loop.run_until_complete(live(loop, int(hours), int(devices)))), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
