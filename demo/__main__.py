"""Run the demo: `python -m demo`, or without a person: `python -m demo --check`."""

import sys

from .process import exit_on_signals

exit_on_signals()
from .cli import main  # noqa: E402  it takes a second, in which Ctrl-C shall end us quietly, too

sys.exit(main())
