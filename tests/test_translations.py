"""The texts: both languages say the same, nothing is said that nobody shows, and nothing is shown that has no text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest

import custom_components.site_devices
from custom_components.site_devices.site import issues
from custom_components.site_devices.site.digest import EVENT_KINDS
from custom_components.site_devices.site.options import ADD, IGNORE, SiteOptions

from . import heartbeat, publish, setup_site

FOLDER = Path(custom_components.site_devices.__file__).parent
LANGUAGES = ("en", "it")
TEXTS = {
    language: json.loads((FOLDER / f"translations/{language}.json").read_text(encoding="utf-8"))
    for language in LANGUAGES
}
EN = TEXTS["en"]
ICONS = json.loads((FOLDER / "icons.json").read_text(encoding="utf-8"))


def flat(texts: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with its whole key."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{key}.")
        else:
            yield path + key, value


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def nodes[Node: ast.AST](room: str | Path, kind: type[Node]) -> list[Node]:
    """Return what is of a kind in a room's code."""
    tree = ast.parse((FOLDER / room).with_suffix(".py").read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def words(room: str) -> set[str]:
    """Return the strings that stand in a room's code."""
    return {node.value for node in nodes(room, ast.Constant) if isinstance(node.value, str)}


def methods(room: str) -> set[str]:
    """Return the names of a room's steps."""
    return {node.name for node in nodes(room, ast.AsyncFunctionDef) if node.name.startswith("async_step_")}


def given(room: str, name: str) -> set[str]:
    """Return the plain strings that a room gives as an argument of a name."""
    arguments = [keyword for call in nodes(room, ast.Call) for keyword in call.keywords if keyword.arg == name]
    return {str(keyword.value.value) for keyword in arguments if isinstance(keyword.value, ast.Constant)}


def test_both_languages_have_the_same_keys_with_the_same_placeholders() -> None:
    english, italian = (dict(flat(TEXTS[language])) for language in LANGUAGES)
    assert english.keys() == italian.keys()
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in italian.items()
    }


def test_no_text_was_left_in_english() -> None:
    italian = dict(flat(TEXTS["it"]))
    same = {key for key, text in flat(EN) if italian[key] == text}
    assert same == {"entity.event.events.state_attributes.event_type.state.offline"}


# What the code says


def test_every_event_has_a_text_for_one_device_and_for_many() -> None:
    assert EN["common"].keys() == {f"event_{kind}_{number}" for kind in EVENT_KINDS for number in ("one", "many")}
    for key, text in EN["common"].items():
        assert placeholders(text) == {"site", "devices"} | ({"count"} if key.endswith("_many") else set())


def test_every_error_has_its_text_and_all_that_it_names() -> None:
    raised: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        for call in nodes(path, ast.Call):
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            if isinstance(call.func, ast.Name) and call.func.id == "_error":  # the actions' own
                (key,) = call.args
                assert isinstance(key, ast.Constant)
                raised.setdefault(str(key.value), set()).update(filter(None, named))
            elif "translation_domain" in named and isinstance(named["translation_key"], ast.Constant):
                given = named.get("translation_placeholders")
                names = {name.value for name in given.keys} if isinstance(given, ast.Dict) else set()
                raised.setdefault(str(named["translation_key"].value), set()).update(names)
    assert raised == {key: placeholders(error["message"]) for key, error in EN["exceptions"].items()}


def test_no_error_is_raised_without_a_translation() -> None:
    errors = {"ConfigEntryNotReady", "HomeAssistantError", "ServiceValidationError", "ConfigEntryError"}
    for path in FOLDER.rglob("*.py"):
        for call in nodes(path, ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id in errors:
                assert {keyword.arg for keyword in call.keywords} >= {"translation_domain", "translation_key"}


def test_every_issue_has_the_texts_of_its_dialog() -> None:
    kinds = {issues.CONFLICT, issues.DATA_LIMIT, issues.DEVICE_LIMIT, issues.REPLACED, issues.SILENT_SITE}
    kinds |= {issues.ENTITY_LIMIT, issues.NO_CONNECTIVITY, issues.STORE_LOST, issues.UNSTEADY_CONNECTION}
    assert EN["issues"].keys() == kinds
    flows = [issue["fix_flow"] for issue in EN["issues"].values() if "fix_flow" in issue]
    assert {reason for flow in flows for reason in flow["abort"]} == given("repairs", "reason")
    steps = [step for flow in flows for step in flow["step"].items()]
    assert {name for name, _ in steps} == given("repairs", "step_id")
    choices = {choice for _, step in steps for choice in step.get("menu_options", {})}
    assert choices == {name.removeprefix("async_step_") for name in methods("repairs")} - {"init"}
    for issue in EN["issues"].values():
        assert ("fix_flow" in issue) is not ("description" in issue)  # fixed there, or explained here


def test_the_dialog_that_adds_a_site_has_all_its_texts() -> None:
    config, said = EN["config"], words("config_flow")
    assert config["step"].keys() == given("config_flow", "step_id") - {"listen"}  # that one shows only its progress
    assert config["progress"].keys() == given("config_flow", "progress_action")
    assert given("config_flow", "reason") <= config["abort"].keys() <= said
    assert config["error"].keys() <= said
    for step in config["step"].values():
        assert step.get("menu_options", {}).keys() <= config["step"].keys() | {"listen"}
        assert step.get("data", {}).keys() == step.get("data_description", {}).keys()


def test_the_options_have_all_their_texts() -> None:
    (step,) = EN["options"]["step"].values()
    options = {field.name for field in fields(SiteOptions)}
    assert step["data"].keys() == step["data_description"].keys() == options
    assert EN["selector"] == {"new_devices": {"options": EN["selector"]["new_devices"]["options"]}}
    assert EN["selector"]["new_devices"]["options"].keys() == {ADD, IGNORE}
    assert given("options_flow", "translation_key") == {"new_devices"}


# What the entities are called, and look like


async def entities(hass: HomeAssistant) -> list[er.RegistryEntry]:
    """Return an entity of each sort."""
    entry = await setup_site(hass)
    await heartbeat(hass, rssi=-70)
    for channel in ("input", "output"):
        data = {"serial_number": "TEST123", "power": 1, "relay": True, "mode": "auto"}
        await publish(hass, f"sito_001/datalogger/monstro/1/{channel}", data)
    return er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)


@pytest.mark.usefixtures("broker")
async def test_every_entity_has_a_name(hass: HomeAssistant) -> None:
    named: dict[str, set[str]] = {}
    for entity in await entities(hass):
        if entity.translation_key:
            named.setdefault(entity.domain, set()).add(entity.translation_key)
        else:  # named by its device class, or by its path
            assert entity.original_device_class or re.search("/(in|hb)/", entity.unique_id)
    assert {domain: keys.keys() for domain, keys in EN["entity"].items()} == named
    states = EN["entity"]["event"]["events"]["state_attributes"]["event_type"]["state"]
    assert states.keys() == set(EVENT_KINDS)


@pytest.mark.usefixtures("broker")
async def test_every_entity_has_an_icon(hass: HomeAssistant) -> None:
    """Its own, that of its device class, or (what a device reports) that of a sensor."""
    for entity in await entities(hass):
        icon = ICONS["entity"].get(entity.domain, {}).get(entity.translation_key)
        assert icon or entity.original_device_class or re.search("/(in|out|hb)/", entity.unique_id)
    events = ICONS["entity"]["event"]["events"]["state_attributes"]["event_type"]["state"]
    assert events.keys() == set(EVENT_KINDS)


def test_every_icon_is_of_something_that_there_is() -> None:
    for domain, icons in ICONS["entity"].items():
        assert icons.keys() <= EN["entity"][domain].keys()
    assert ICONS["services"].keys() == EN["services"].keys()
    assert ICONS.keys() == {"entity", "services"}


@pytest.mark.usefixtures("broker")
async def test_names_are_in_home_assistants_language(hass: HomeAssistant) -> None:
    hass.config.language = "it"
    names = {entity.original_name for entity in await entities(hass)}
    assert {"Dispositivi online", "Eventi", "Monitoraggio", "Ultimo heartbeat", "Uscita relay"} <= names
