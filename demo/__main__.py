"""The command line of the demo: `python -m demo`, or without a person: `python -m demo --check`."""

from argparse import ArgumentParser
import sys
import time

from harness.process import StartError, exit_on_signals
from harness.stack import Stack, running_stack
from simulator.connection import BrokerError

from .check import check, table
from .show import show

BEGUN = time.monotonic()


def main() -> int:
    """Run the stack until it is interrupted, or checked; the exit code is 0 if all went well."""
    parser = ArgumentParser("scripts/demo", description="A broker, Home Assistant and a simulated fleet, to look at.")
    parser.add_argument("--check", action="store_true", help="no person: check that a silent device is seen in time")
    options = parser.parse_args()
    exit_on_signals()
    try:
        with running_stack(say=_say) as stack:
            if options.check:
                return _check(stack)
            show(stack, _say)
    except (StartError, BrokerError) as error:
        _say(str(error))
    return 1


def _check(stack: Stack) -> int:
    rows = check(stack, _say)
    print(f"\n{table(rows)}")
    if all(row.ok for row in rows):
        return 0
    print(f"\nThe log of Home Assistant:\n{stack.home_assistant.log_text()}")
    return 1


def _say(text: str) -> None:
    print(f"{time.monotonic() - BEGUN:6.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
