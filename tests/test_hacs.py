"""HACS and hassfest: what their checks on GitHub would say, said here first.

The rules are those of Home Assistant's `script/hassfest` and of the HACS action, as far as they are about a custom integration
like this one. What only GitHub knows (a description, topics, issues enabled) is not here.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
import json
from pathlib import Path
import re
import string
import subprocess
from typing import Any
from zipfile import ZipFile

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv, selector
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict
from PIL import Image
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator, WebSocketGenerator
import voluptuous as vol

from custom_components.site_devices.const import DOMAIN

from .checkout import ROOT, git, make_copy

FOLDER = ROOT / "custom_components" / DOMAIN
OLDEST = "2025.4"
BRAND_SIZES = {
    "icon.png": (256, 256),
    "icon@2x.png": (512, 512),
    "logo.png": (724, 160),
    "logo@2x.png": (1449, 320),
}


def load(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


# hassfest: manifest

MANIFEST = load(FOLDER / "manifest.json")


def version(value: str) -> str:
    """Take a version that Home Assistant understands."""
    strategies = AwesomeVersionStrategy
    AwesomeVersion(value, ensure_strategy=[strategies.CALVER, strategies.SEMVER, strategies.SIMPLEVER])
    return value


MANIFEST_SCHEMA = vol.Schema(
    {
        vol.Required("domain"): FOLDER.name,
        vol.Required("name"): str,
        vol.Required("codeowners"): [vol.Match(r"^@[\w-]+$")],
        vol.Required("config_flow"): True,
        vol.Required("dependencies"): [str],
        vol.Required("documentation"): vol.All(vol.Url(), vol.Match("^https://")),
        vol.Required("integration_type"): vol.In(["device", "hub", "service"]),
        vol.Required("iot_class"): vol.In(["local_polling", "local_push"]),
        vol.Required("issue_tracker"): vol.Url(),
        vol.Required("requirements"): [str],
        vol.Required("version"): version,
    }
)


def test_the_manifest_has_every_key_in_order() -> None:
    MANIFEST_SCHEMA(MANIFEST)
    keys = list(MANIFEST)
    assert keys == ["domain", "name", *sorted(set(keys) - {"domain", "name"})]


def test_every_component_that_is_used_is_a_dependency() -> None:
    used = set()
    for path in FOLDER.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("homeassistant.components"):
                package = (node.module or "").split(".")[2:]
                used |= {package[0]} if package else {alias.name for alias in node.names}

    # a file of that name is our part of that component, and platforms are always there
    free = {platform.value for platform in Platform} | {path.stem for path in FOLDER.glob("*.py")}
    assert "mqtt" in used
    assert used - free - set(MANIFEST["dependencies"]) == set()


# hassfest: translations, icons, services

_PLACEHOLDER_IN_QUOTES = re.compile(r"'{\w+}'")
_URL = re.compile(r"(?:(?:ftps?|https?|mqtts?)://|www\.)[a-z0-9]+(?:[-.][a-z0-9]+)*\.[a-z]{2,5}", re.IGNORECASE)
_COMBINED = re.compile(r"(.+\[%)|(%\].+)")
KEY = vol.Match(r"^(?!.+[_-]{2})(?![_-])[a-z0-9-_]+(?<![_-])$")


def text(value: Any) -> str:
    """Take the text of a translation."""
    value = cv.string_with_no_html(value)
    names = [name for _, name, _, _ in string.Formatter().parse(value) if name]
    if _PLACEHOLDER_IN_QUOTES.search(value) or _URL.search(value) or _COMBINED.search(value):
        raise vol.Invalid(f"quotes around a placeholder, an address, or a reference: {value}")
    if value != value.strip() or not all(map(str.isidentifier, names)):
        raise vol.Invalid(f"blanks at its ends, or what is no placeholder: {value}")
    return value


def plain_text(value: Any) -> str:
    """Take a text that may have no placeholder."""
    if "{" in text(value):
        raise vol.Invalid(f"a placeholder where none may be: {value}")
    return str(value)


def described(flow: dict[str, Any]) -> dict[str, Any]:
    """Take a flow in which only fields that are there are described."""
    for step in flow["step"].values():
        if not step.get("data_description", {}).keys() <= step.get("data", {}).keys():
            raise vol.Invalid("a description of what is not there")
    return flow


TEXTS = {str: text}
FLOW = vol.All(
    vol.Schema(
        {
            vol.Required("step"): {
                str: {
                    vol.Optional("title"): text,
                    vol.Optional("description"): text,
                    vol.Optional("data"): TEXTS,
                    vol.Optional("data_description"): TEXTS,
                    vol.Optional("menu_options"): TEXTS,
                }
            },
            vol.Optional("error"): TEXTS,
            vol.Optional("abort"): TEXTS,
            vol.Optional("progress"): TEXTS,
        }
    ),
    described,
)
ENTITY = {
    vol.Optional("name"): text,
    vol.Optional("state"): {KEY: plain_text},
    vol.Optional("state_attributes"): {
        KEY: {vol.Optional("name"): plain_text, vol.Optional("state"): {KEY: plain_text}}
    },
}
TRANSLATIONS = vol.Schema(
    {
        vol.Required("common"): {cv.slug: text},
        vol.Required("config"): FLOW,
        vol.Required("entity"): {cv.slug: {KEY: ENTITY}},
        vol.Required("exceptions"): {cv.slug: {"message": text}},
        vol.Required("issues"): {
            str: vol.All(
                cv.has_at_least_one_key("description", "fix_flow"),
                {
                    vol.Required("title"): text,
                    vol.Exclusive("description", "fixable"): text,
                    vol.Exclusive("fix_flow", "fixable"): FLOW,
                },
            )
        },
        vol.Required("options"): FLOW,
        vol.Required("selector"): {cv.slug: {"options": {KEY: text}}},
        vol.Required("services"): {
            KEY: {
                vol.Required("name"): text,
                vol.Required("description"): text,
                vol.Optional("fields"): {KEY: {vol.Required("name"): str, vol.Required("description"): text}},
            }
        },
        vol.Required("system_health"): {"info": {KEY: text}},
    }
)
SERVICES = vol.Schema(
    {
        cv.slug: {
            vol.Optional("target"): selector.TargetSelector.CONFIG_SCHEMA,
            vol.Optional("fields"): {
                str: {
                    vol.Optional("example"): vol.Any(bool, int, str),
                    vol.Optional("default"): vol.Any(bool, int, str, dict),
                    vol.Optional("required"): bool,
                    vol.Required("selector"): selector.validate_selector,
                }
            },
        }
    }
)


@pytest.mark.parametrize("language", ["en", "it"])
def test_translations_are_of_the_shape_that_home_assistant_reads(language: str) -> None:
    TRANSLATIONS(load(FOLDER / "translations" / f"{language}.json"))


@pytest.mark.parametrize(
    "wrong", ["<b>bold</b>", " blank", "see https://example.com", "'{name}'", "{not a name}", "[%key:common::x%] and"]
)
def test_what_hassfest_refuses_in_a_text_is_refused_here(wrong: str) -> None:
    with pytest.raises(vol.Invalid):
        text(wrong)


def test_actions_are_complete_in_all_files() -> None:
    services = SERVICES(load_yaml_dict(str(FOLDER / "services.yaml")))

    for language in ("en", "it"):
        told = load(FOLDER / "translations" / f"{language}.json")["services"]
        assert {name: set(service.get("fields", ())) for name, service in told.items()} == {
            name: set(service.get("fields", ())) for name, service in services.items()
        }
    assert load(FOLDER / "icons.json")["services"].keys() == services.keys()


def test_icons_are_of_the_shape_that_home_assistant_reads() -> None:
    icon = vol.Match(r"^mdi:[a-z0-9-]+$")

    def states_differ(of: dict[str, Any]) -> dict[str, Any]:
        if of["default"] in of.get("state", {}).values():
            raise vol.Invalid("an icon of a state that is the one that there is anyway")
        return of

    icons = vol.All({vol.Required("default"): icon, vol.Optional("state"): {KEY: icon}}, states_differ)
    entity = vol.All(
        vol.Schema({vol.Required("default"): icon, vol.Optional("state"): {KEY: icon}}).extend(
            {vol.Optional("state_attributes"): {KEY: icons}}
        ),
        states_differ,
    )
    vol.Schema({vol.Required("entity"): {cv.slug: {KEY: entity}}, vol.Required("services"): {KEY: {"service": icon}}})(
        load(FOLDER / "icons.json")
    )


def test_there_is_a_schema_for_a_configuration_that_yaml_can_not_have() -> None:
    assert "CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)" in (FOLDER / "__init__.py").read_text()


# HACS

HACS_SCHEMA = vol.Schema(
    {
        vol.Required("name"): MANIFEST["name"],
        vol.Required("filename"): f"{DOMAIN}.zip",
        vol.Required("homeassistant"): vol.Match(r"^\d{4}\.\d{1,2}\.\d+$"),
        vol.Required("zip_release"): True,
        vol.Optional("hide_default_branch"): bool,
    }
)


def test_hacs_json_has_what_hacs_needs() -> None:
    HACS_SCHEMA(load(ROOT / "hacs.json"))


def test_there_is_one_least_home_assistant_and_it_is_the_one_that_is_tested() -> None:
    tested = re.search(r"^homeassistant==(.*)$", (ROOT / "requirements/oldest.txt").read_text(), re.MULTILINE)
    assert tested
    assert tested[1].startswith(f"{OLDEST}.")
    assert load(ROOT / "hacs.json")["homeassistant"] == f"{OLDEST}.0"
    for name in ("README.md", "README.it.md"):
        assert OLDEST in (ROOT / name).read_text(encoding="utf-8")


def test_hacs_finds_one_integration_a_readme_and_a_licence() -> None:
    assert [path.name for path in FOLDER.parent.iterdir() if path.is_dir() and path.name != "__pycache__"] == [DOMAIN]
    assert (ROOT / "README.md").is_file()
    # what GitHub tells a licence by
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8").split()
    assert " ".join(licence).startswith("Apache License Version 2.0, January 2004 http://www.apache.org/licenses/")
    assert len(licence) == 1581


# Pictures


@pytest.mark.parametrize("dark", ["", "dark_"])
@pytest.mark.parametrize(("name", "size"), BRAND_SIZES.items())
def test_brand_pictures(dark: str, name: str, size: tuple[int, int]) -> None:
    with Image.open(FOLDER / "brand" / f"{dark}{name}") as picture:
        assert picture.format == "PNG"
        assert picture.size == size
        assert picture.mode == "RGBA"
        assert picture.getchannel("A").getpixel((0, 0)) == 0  # lies on any background
    assert (FOLDER / "brand" / f"{dark}{name.partition('@')[0].removesuffix('.png')}.svg").is_file()


@pytest.mark.skipif(not find_spec("homeassistant.components.brands"), reason="Home Assistant before 2026.3")
@pytest.mark.parametrize("name", ["icon.png", "dark_logo@2x.png"])
async def test_home_assistant_serves_the_pictures(
    enable_custom_integrations: None,
    hass: HomeAssistant,
    hass_client_no_auth: ClientSessionGenerator,
    hass_ws_client: WebSocketGenerator,
    name: str,
) -> None:
    assert await async_setup_component(hass, "brands", {})
    client = await hass_ws_client(hass)
    await client.send_json_auto_id({"type": "brands/access_token"})
    token = (await client.receive_json())["result"]["token"]

    browser = await hass_client_no_auth()
    answer = await browser.get(f"/api/brands/integration/{DOMAIN}/{name}?token={token}")

    assert answer.status == 200
    assert await answer.read() == (FOLDER / "brand" / name).read_bytes()


# Releases


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """Copy the repository, with a changelog that tells of two versions."""
    make_copy(tmp_path)
    changelog = tmp_path / "CHANGELOG.md"
    told = changelog.read_text(encoding="utf-8").replace(
        "## [Unreleased]",
        "## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n\n- New\n\n## [1.2.2] - 2026-11-30\n\n- Old\n\n## [",
    )
    changelog.write_text(told, encoding="utf-8")
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "-a", "-m", "x")
    return tmp_path


def release(folder: Path, number: str) -> subprocess.CompletedProcess[str]:
    """Run the script that makes a release."""
    command = [str(folder / "scripts/release"), number, str(folder / "made")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_release_is_the_integration_with_its_version_and_what_is_new(committed: Path) -> None:
    (committed / "custom_components" / DOMAIN / "left_over.pyc").write_bytes(b"x")

    assert release(committed, "1.2.3").returncode == 0

    with ZipFile(committed / "made" / load(ROOT / "hacs.json")["filename"]) as zipped:
        names = {name for name in zipped.namelist() if not name.endswith("/")}
        assert load_from(zipped, "manifest.json") == MANIFEST | {"version": "1.2.3"}
    tracked = git(committed, "ls-files", f"custom_components/{DOMAIN}").splitlines()
    assert names == {name.removeprefix(f"custom_components/{DOMAIN}/") for name in tracked}
    assert (committed / "made/notes.md").read_text(encoding="utf-8").strip() == "- New"


def load_from(zipped: ZipFile, name: str) -> Any:
    """Return what a JSON file in a zip holds."""
    return json.loads(zipped.read(name))


@pytest.mark.parametrize(("number", "why"), [("1.2.4", "CHANGELOG.md says nothing of 1.2.4"), ("v1", "not a version")])
def test_no_release_without_a_version_and_its_notes(committed: Path, number: str, why: str) -> None:
    outcome = release(committed, number)

    assert outcome.returncode == 1
    assert why in outcome.stderr
    assert not (committed / "made" / "site_devices.zip").exists()
