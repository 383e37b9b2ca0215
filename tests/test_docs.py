"""Documentation: two languages in step, links that lead somewhere, commands that run, and no number that the code contradicts."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any, NamedTuple

from homeassistant.util.yaml import load_yaml_dict, parse_yaml
import pytest

from custom_components.site_devices.classify import classify
from custom_components.site_devices.core.protocol import MAX_PAYLOAD, MAX_TEXT, Channel, Heartbeat, IgnoreReason, parse
from custom_components.site_devices.core.readings import Kind, leaves, words
from custom_components.site_devices.site.budget import MAX_ENTITIES
from custom_components.site_devices.site.data_entities import MAX_DATA_POINTS
from custom_components.site_devices.site.options import DATA_INTERVAL, MAX_DEVICES, OFFLINE_AFTER, SiteOptions

from .checkout import ROOT, files

FENCE = re.compile(r"^```(?P<info>.*)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)
HEADING = re.compile(r"^(?P<level>#+) (?P<text>.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)|(?:src|srcset|href)=\"(?P<attribute>[^\"]+)\"")


class Block(NamedTuple):
    """A block of code: what stands behind its fence, and what is in it."""

    info: str
    text: str


def pages() -> list[Path]:
    """Return all pages of documentation."""
    return [ROOT / name for name in files(ROOT) if name.endswith(".md")]


def read(name: str | Path) -> str:
    """Return a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[Block]:
    """Return the blocks of code on a page."""
    return [Block(found["info"].strip(), found["text"]) for found in FENCE.finditer(text)]


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """Return what a link may jump to on a page, by GitHub's rule."""
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", found["text"]).lower()).replace(" ", "-")
        for found in HEADING.finditer(prose(text))
    }


def commands() -> Iterator[tuple[str, str]]:
    """Return the commands that are to run, with their page."""
    for page in pages():
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.info.split()[1:] == ["test"]:
                yield page.name, block.text


# Languages


def test_the_readme_says_the_same_in_italian() -> None:
    english, italian = read("README.md"), read("README.it.md")

    assert blocks(italian) == blocks(english)
    levels = [[len(found["level"]) for found in HEADING.finditer(prose(text))] for text in (english, italian)]
    assert levels[0] == levels[1]
    assert len(levels[0]) > 15
    # the parts between the headings: the same names, and as many rows, items and pictures in each
    parts = [re.split(r"^#+ .*$", prose(text), flags=re.MULTILINE) for text in (english, italian)]
    for part_in_english, part_in_italian in zip(*parts, strict=True):
        names = [sorted(re.findall(r"`[^`]+`", part)) for part in (part_in_english, part_in_italian)]
        assert names[0] == names[1]
        for mark in (r"^\| ", r"^- ", r"^\d\. ", r"!\[|<img "):
            counts = [len(re.findall(mark, part, re.MULTILINE)) for part in (part_in_english, part_in_italian)]
            assert counts[0] == counts[1], part_in_english


def test_the_readme_has_the_same_links_in_italian() -> None:
    def targets(name: str) -> list[str]:
        found = [link["target"] or link["attribute"] for link in LINK.finditer(read(name))]
        return sorted(re.sub("&label=.*", "", target) for target in found if not target.startswith("README"))

    assert targets("README.it.md") == targets("README.md")


# Links


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in LINK.finditer(prose(text)):
        target = link["target"] or link["attribute"]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


def test_links_into_the_repository_by_address_lead_somewhere() -> None:
    home = json.loads(read("custom_components/site_devices/manifest.json"))["documentation"]
    encoded = home.replace(":", "%3A").replace("/", "%2F")
    found = []
    for name in files(ROOT):
        if not name.endswith((".md", ".yml", ".yaml")):
            continue
        for pattern in (
            rf"{re.escape(home)}/blob/main/([\w./-]+)",
            rf"{re.escape(encoded)}%2Fblob%2Fmain%2F([\w.%-]+)",
        ):
            found += [path.replace("%2F", "/") for path in re.findall(pattern, read(name))]

    assert {path for path in found if not (ROOT / path).is_file()} == set()
    blueprints = {name for name in files(ROOT) if name.startswith("blueprints/")}
    assert blueprints <= set(found)


# Commands


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_run(page: str, command: str) -> None:
    if "scripts/simulate" in command and not (ROOT / ".venv/demo/ready").is_file():
        pytest.skip("needs .venv/demo: scripts/setup demo")
    outcome = subprocess.run(
        ["bash", "-eu", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_there_are_commands_to_run() -> None:
    assert list(commands())


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_scripts_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"(?<![\w/])scripts/[\w-]+", page.read_text(encoding="utf-8")))
    assert {name for name in named if not (ROOT / name).is_file()} == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_json_and_yaml_in_the_pages_can_be_read(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        kind = block.info.partition(" ")[0]
        if kind == "json":
            json.loads(block.text)
        elif kind == "yaml":
            assert parse_yaml(block.text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_actions_in_the_pages_can_be_called(page: Path) -> None:
    fields = load_yaml_dict(str(ROOT / "custom_components/site_devices/services.yaml"))
    for block in blocks(page.read_text(encoding="utf-8")):
        if not block.text.startswith("action: site_devices."):
            continue
        action: Any = parse_yaml(block.text)
        service = fields[action["action"].removeprefix("site_devices.")]
        needed = {name for name, field in service["fields"].items() if field.get("required")}
        assert needed <= action["data"].keys() <= service["fields"].keys()
        assert ("target" in action) == ("target" in service)
        assert action.keys() <= {"action", "target", "data", "response_variable"}


# Numbers and names


@pytest.mark.parametrize(("name", "comma"), [("README.md", ","), ("README.it.md", ".")])
def test_the_readme_names_the_limits_that_the_code_has(name: str, comma: str) -> None:
    text = read(name)
    for number in (*OFFLINE_AFTER, *MAX_DEVICES, *DATA_INTERVAL, MAX_ENTITIES, MAX_DATA_POINTS, MAX_PAYLOAD, MAX_TEXT):
        assert re.search(rf"(?<!\d){number:,}(?!\d)".replace(",", re.escape(comma)), text), number
    options = SiteOptions()
    rows = re.findall(r"^\|.*\| (\d\S*) ?s? \|$", text, re.MULTILINE)
    assert rows == [
        str(options.offline_after),
        f"{options.max_devices:,}".replace(",", comma),
        str(options.data_interval),
    ]


@pytest.mark.parametrize(("name", "language"), [("README.md", "en"), ("README.it.md", "it")])
def test_the_readme_calls_things_as_home_assistant_shows_them(name: str, language: str) -> None:
    shown = json.loads(read(f"custom_components/site_devices/translations/{language}.json"))
    entities = [of["name"] for platform in shown["entity"].values() for of in platform.values()]
    names = [*entities, *shown["options"]["step"]["init"]["data"].values()]
    names += [service["name"] for service in shown["services"].values()]

    text = read(name)
    assert [shown_as for shown_as in names if "{" not in shown_as and shown_as not in text] == []


def test_the_first_heartbeat_of_the_readme_is_one() -> None:
    (command,) = re.findall(r"^mosquitto_pub .* -t (\S+) -m '(.*)'$", read("README.md"), re.MULTILINE)
    assert isinstance(parse(command[0], command[1].encode(), retained=False), Heartbeat)


@pytest.mark.parametrize(
    ("key", "kind", "device_class", "state_class"),
    [
        ("temperature", Kind.NUMBER, "temperature", "measurement"),
        ("energy", Kind.NUMBER, "energy", "total_increasing"),
        ("phase.l1", Kind.NUMBER, None, "measurement"),
        ("relay", Kind.BOOLEAN, None, None),
        ("mode", Kind.TEXT, None, None),
    ],
)
def test_payloads_become_what_the_readme_says(
    key: str, kind: Kind, device_class: str | None, state_class: str | None
) -> None:
    rows = re.findall(r"^\| `(\".*)` \|", read("README.md"), re.MULTILINE)
    found = leaves(Channel.INPUT, json.loads(f"{{{', '.join(rows)}}}"))

    assert found[f"in/{key}"].kind is kind
    if kind is Kind.NUMBER:
        classes = classify(words(f"in/{key}"), found[f"in/{key}"].unit)
        assert (classes.device_class, classes.state_class) == (device_class, state_class)


def test_every_reason_to_ignore_a_message_is_explained() -> None:
    text = read("docs/troubleshooting.md")
    table = text[text.index("## The counters") : text.index("## No site is found")]
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert explained == {str(reason) for reason in IgnoreReason}


def test_every_test_that_is_named_exists() -> None:
    named: set[str] = set()
    for path in files(ROOT):
        if path.endswith(".md"):
            named |= set(re.findall(r"`(?:tests/[\w/]*)?(test_\w+)(?:\.py)?`", read(path)))
    tests = [name for name in files(ROOT) if re.fullmatch(r"tests/.*\.py", name)]
    there = {Path(name).stem for name in tests}
    there |= {name for test in tests for name in re.findall(r"def (test_\w+)", read(test))}
    assert len(named) > 50
    assert named - there == set()


def test_the_architecture_names_every_file() -> None:
    named = set(re.findall(r"`(\w+\.py)`", read("docs/architecture.md")))
    assert named == {
        Path(name).name for name in files(ROOT) if name.startswith("custom_components/") and name.endswith(".py")
    }
