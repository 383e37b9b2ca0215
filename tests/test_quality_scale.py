"""Our checklist of Home Assistant's quality scale: complete, and true as far as it can be looked up."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
import re

from homeassistant.const import Platform
import pytest
import yaml

import custom_components.site_devices

FOLDER = Path(custom_components.site_devices.__file__).parent
ROOT = FOLDER.parent.parent
RULES = yaml.safe_load((FOLDER / "quality_scale.yaml").read_text(encoding="utf-8"))["rules"]
OFFICIAL = {
    "bronze": """
        action-setup appropriate-polling brands common-modules config-flow config-flow-test-coverage
        dependency-transparency docs-actions docs-conditions docs-high-level-description docs-installation-instructions
        docs-removal-instructions docs-triggers entity-event-setup entity-unique-id has-entity-name runtime-data
        test-before-configure test-before-setup unique-config-entry
    """,
    "silver": """
        action-exceptions config-entry-unloading docs-configuration-parameters docs-installation-parameters
        entity-unavailable integration-owner log-when-unavailable parallel-updates reauthentication-flow test-coverage
    """,
    "gold": """
        devices diagnostics discovery discovery-update-info docs-data-update docs-examples docs-known-limitations
        docs-supported-devices docs-supported-functions docs-troubleshooting docs-use-cases dynamic-devices
        entity-category entity-device-class entity-disabled-by-default entity-translations exception-translations
        icon-translations reconfiguration-flow repair-issues stale-devices
    """,
    "platinum": "async-dependency inject-websession strict-typing",
}


def test_every_rule_is_listed_in_the_order_of_the_scale() -> None:
    rules = [rule for tier in OFFICIAL.values() for rule in tier.split()]
    assert len(rules) == 54
    assert list(RULES) == rules


def test_each_rule_is_done_or_exempt_and_says_how_or_why() -> None:
    for rule in RULES.values():
        assert rule.keys() == {"status", "comment"}
        assert rule["status"] in ("done", "exempt")
        assert rule["comment"]


@pytest.mark.parametrize("rule", [rule for rule in RULES if RULES[rule]["comment"].startswith("README: ")])
def test_the_readme_has_the_section_that_a_rule_names(rule: str) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert RULES[rule]["comment"].removeprefix("README: ") in headings


def test_the_files_that_the_checklist_names_are_there() -> None:
    for rule in RULES.values():
        for name in re.findall(r"[\w/]+\.py|scripts/[\w-]+", rule["comment"]):
            assert (ROOT / name).exists() or (FOLDER / name).exists()


def test_no_platform_limits_its_updates() -> None:
    platforms = {path.stem for path in FOLDER.glob("*.py")} & {platform.value for platform in Platform}
    assert len(platforms) == 4
    for platform in platforms:
        assert import_module(f"{custom_components.site_devices.__name__}.{platform}").PARALLEL_UPDATES == 0
