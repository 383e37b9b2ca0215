"""Tests of the harness, and what those that use it need of the machine."""

from importlib.util import find_spec
import sys

import pytest

from harness.broker import find
from harness.process import ROOT

needs_mosquitto = pytest.mark.skipif(find("mosquitto") is None, reason="needs Mosquitto: scripts/setup broker")
needs_home_assistant = pytest.mark.skipif(
    not (ROOT / ".venv/demo/ready").exists() or find_spec("bcrypt") is None,
    reason="needs the Home Assistant of the demo: scripts/setup demo",
)
newest_only = pytest.mark.skipif(sys.version_info < (3, 14), reason="runs with the newest Home Assistant's tests only")
