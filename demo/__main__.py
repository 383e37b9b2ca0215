"""Run the demo: `python -m demo`, or without a person: `python -m demo --check`."""

import sys

from .process import exit_on_signals, signals_held

exit_on_signals()
with signals_held():  # importing takes a second, and may swallow what a signal raises in the middle of it
    from .cli import main

sys.exit(main())
