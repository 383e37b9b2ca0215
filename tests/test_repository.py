"""The repository's public address: one place to change it, and no place that is missed."""

from __future__ import annotations

import json
from pathlib import Path
import re
import subprocess

import pytest

from .checkout import files, make_copy

MANIFEST = "custom_components/site_devices/manifest.json"
NEW = "some-1-body/its.own_name-2"

# How an address is written; each finds owner and name.
ADDRESSES = [
    re.compile(r"github(?:usercontent)?\.com(?:/|%2F)([\w.-]+)(?:/|%2F)([\w-]+(?:\.[\w-]+)*)"),
    re.compile(r"img\.shields\.io/github/[\w/-]+?/([\w-]+)/([\w-]+(?:\.[\w-]+)*)(?=[?)\"]|/\w+\.yml)"),
    re.compile(r"owner=([\w.-]+)&repository=([\w.-]+)"),
]
OTHERS = {"hacs/integration", "home-assistant/core"}  # what else on GitHub we link to
PLACEHOLDER = "OWNER"


def texts(folder: Path) -> dict[str, str]:
    """Return the text files of a repository but this one, which has addresses of its own."""
    names = [name for name in files(folder) if not name.endswith((".png", "test_repository.py"))]
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}


def addresses(text: str) -> set[str]:
    """Return all repositories on GitHub that a text names."""
    return {"/".join(found.groups()) for pattern in ADDRESSES for found in pattern.finditer(text)}


def set_repository(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a copy of the repository."""
    return subprocess.run([folder / "scripts/set-repository", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the repository."""
    make_copy(tmp_path)
    return tmp_path


def test_every_place_gets_the_new_address(copy: Path) -> None:
    before = texts(copy)

    assert set_repository(copy, NEW).returncode == 0

    named = {name: addresses(text) for name, text in texts(copy).items()}
    assert set().union(*named.values()) - OTHERS == {NEW}
    places = {name for name, found in named.items() if NEW in found}
    assert places >= {MANIFEST, "README.md", "README.it.md", ".github/ISSUE_TEMPLATE/config.yml", "CHANGELOG.md"}
    assert places == {name for name, text in before.items() if addresses(text) - OTHERS}
    assert json.loads((copy / MANIFEST).read_text(encoding="utf-8"))["codeowners"] == ["@some-1-body"]


def test_no_placeholder_is_left(copy: Path) -> None:
    set_repository(copy, NEW)

    left = {
        name
        for name, text in texts(copy).items()
        if re.search(rf"\b{PLACEHOLDER}\b", text.replace(f"{PLACEHOLDER}/NAME", ""))
    }
    assert left == {"scripts/set-repository"}  # where it is told apart from a real owner


def test_the_address_can_be_taken_back(copy: Path) -> None:
    set_repository(copy, f"{PLACEHOLDER}/site_devices")  # also when it has a real address by now
    before = texts(copy)

    set_repository(copy, NEW)
    set_repository(copy, f"{PLACEHOLDER}/site_devices")

    assert texts(copy) == before
    assert json.loads((copy / MANIFEST).read_text(encoding="utf-8"))["codeowners"] == []


@pytest.mark.parametrize("arguments", [(), ("somebody",), ("some body/name",), ("a/b/c",), ("https://github.com/a/b",)])
def test_what_is_no_address_changes_nothing(copy: Path, arguments: tuple[str, ...]) -> None:
    before = texts(copy)

    outcome = set_repository(copy, *arguments)

    assert outcome.returncode == 2
    assert f"{PLACEHOLDER}/NAME" in outcome.stderr
    assert texts(copy) == before
