"""The parts, one after the other: `python -m soak PART…`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
import logging
import sys
import time

from harness.process import StartError, exit_on_signals

from .attack import flood, hostile
from .bridge import keeping, recommended
from .groups import groups
from .jumping import endurance
from .kills import kills
from .life_cycle import life_cycle
from .outcome import MissingError, Outcome

PARTS: Mapping[str, tuple[Callable[[], Outcome], str]] = {
    "hostile": (partial(hostile, 1_000_000, data_entities=False), "a million hostile messages"),
    "hostile-full": (
        partial(hostile, 1_000_000, max_devices=1_000),
        "the same with the default options: what ill will can make of a site, and what that costs",
    ),
    "flood": (partial(flood, 20_000), "20,000 new serials"),
    "life-cycle": (partial(life_cycle, 200), "entries that come and go, 200 times each"),
    "kills": (partial(kills, 20), "Home Assistant killed 20 times while devices come, move and fall silent"),
    "endurance": (partial(endurance, 24, 1_000), "a day of a thousand devices in minutes"),
    "bridge": (recommended, "a field site's bridge is cut, with the settings that we recommend"),
    "bridge-keeping": (keeping, "the same with a bridge that keeps messages"),
    "groups": (groups, "one broker, two Home Assistants with a thousand devices, recorders on PostgreSQL"),
}


def main() -> int:
    """Run the parts that were asked for; the exit code tells whether all is well."""
    parser = argparse.ArgumentParser("scripts/soak", description=__doc__, epilog=_list())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, "all"], metavar="PART", help="see below; all: each in turn"
    )
    asked = parser.parse_args().parts
    if not asked:
        parser.print_help()
        return 2
    logging.basicConfig(level=logging.CRITICAL)  # what is said is counted, not shown
    exit_on_signals()
    wrong = False
    for name in PARTS if "all" in asked else asked:
        wrong |= not _run(name)
    return int(wrong)


def _list() -> str:
    return "parts:\n" + "\n".join(f"  {name:<16}{about}" for name, (_, about) in PARTS.items())


def _run(name: str) -> bool:
    part, about = PARTS[name]
    print(f"== {name}: {about}", flush=True)
    begun = time.monotonic()
    try:
        outcome = part()
    except MissingError as missing:
        print(f"SKIPPED {name}: {missing}", flush=True)
        return True
    except StartError as error:
        print(f"== {name}: WRONG. {error}", flush=True)
        return False
    for what, figure in outcome.figures.items():
        print(f"  {what}: {len(figure) if isinstance(figure, list) and len(figure) > 20 else figure}")
    for what in outcome.wrong:
        print(f"  WRONG: {what}")
    print(f"== {name}: {'WRONG' if outcome.wrong else 'well'} after {time.monotonic() - begun:.0f} s", flush=True)
    return not outcome.wrong


if __name__ == "__main__":
    sys.exit(main())
