"""The published JSON Schemas: what they accept is accepted and can be shown, and our own devices keep to them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator
import pytest

from custom_components.site_devices.core.protocol import Channel, Heartbeat, Report, parse
from custom_components.site_devices.core.readings import leaves
from simulator.devices import heartbeat, input_data, make_devices, output_data
from tests.test_docs import blocks

from .checkout import ROOT

SCHEMAS = {
    name: json.loads((ROOT / f"docs/schema/{name}.json").read_text(encoding="utf-8"))
    for name in ("heartbeat", "report")
}
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
TOPIC = "sito_001/datalogger/monstro/1"

type Schema = dict[str, Any]


def payloads(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """Return what makes payloads that fit a schema: all that it allows, as far as our two schemas go."""
    return _fitting(schema, schema).filter(Draft202012Validator(schema).is_valid)


def _fitting(schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    if ref := schema.get("$ref"):
        return _fitting(root["$defs"][ref.removeprefix("#/$defs/")], root)
    if either := schema.get("oneOf") or schema.get("anyOf"):
        return st.one_of([_fitting(one, root) for one in either])
    kinds = schema.get("type", "string")
    return st.one_of([_of_type(kind, schema, root) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _of_type(kind: str, schema: Schema, root: Schema) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum"), schema.get("maximum")
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(least, most)
        case "number":
            return st.integers(least, most) | st.floats(allow_nan=False, allow_infinity=False)
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        case "string":
            return st.text(
                st.characters(codec="utf-8"), min_size=schema.get("minLength", 0), max_size=schema.get("maxLength")
            )
        case "object":
            named = {name: of for name, of in schema.get("properties", {}).items() if of}
            required = {name: _fitting(named.pop(name), root) for name in schema.get("required", ())}
            optional = {name: _fitting(of, root) for name, of in named.items()}
            fixed = st.fixed_dictionaries(required, optional=optional)
            if not schema.get("additionalProperties"):
                return fixed
            further = _fitting(schema["additionalProperties"], root)
            return st.builds(
                dict.__or__, st.dictionaries(_fitting(schema["propertyNames"], root), further, max_size=5), fixed
            )
    raise NotImplementedError(kind)


def values(payload: Any) -> int:
    """Count the values in a payload; null is none."""
    if type(payload) is not dict:
        return payload is not None
    inner = [payload["value"]] if "value" in payload else payload.values()
    return sum(map(values, inner))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"].endswith(f"/blob/main/docs/schema/{name}.json")


@given(data=payloads(SCHEMAS["heartbeat"]), retained=st.booleans())
def test_every_heartbeat_that_fits_is_accepted(data: dict[str, Any], retained: bool) -> None:
    message = parse(f"{TOPIC}/heartbeat", json.dumps(data).encode(), retained)

    assert isinstance(message, Heartbeat)
    assert message.key == f"datalogger/{data['serial_number']}"
    said = {"serial_number", "timestamp", "name", "manufacturer", "model", "sw_version", "firmware", "hw_version"}
    shown = leaves(Channel.HEARTBEAT, message.data)
    assert len(shown) == len(data.keys() - said)
    assert all(leaf.value is not None for leaf in shown.values())


def is_shown_as_a_whole(channel: Channel, data: dict[str, Any]) -> bool:
    """Tell whether a report is accepted, with an entity for each of its values that can show it."""
    message = parse(f"{TOPIC}/{channel}", json.dumps(data).encode(), retained=False)
    assert isinstance(message, Report)
    shown = [leaf for leaf in leaves(channel, message.data).values() if leaf.kind]
    said = [value for name, value in data.items() if name not in ("serial_number", "timestamp")]
    return all(leaf.value is not None for leaf in shown) and len(shown) == sum(map(values, said))


@given(data=payloads(SCHEMAS["report"]), channel=st.sampled_from([Channel.INPUT, Channel.OUTPUT]))
def test_every_report_that_fits_is_accepted_with_all_its_values(data: dict[str, Any], channel: Channel) -> None:
    assert is_shown_as_a_whole(channel, data)


@pytest.mark.parametrize(
    "data",
    [
        {"serial_number": "x" * 64},
        {"serial_number": 2**64 - 1},
        {"serial_number": -(2**63)},
        {"serial_number": "A 1", "n" * 64: 1},
        {"serial_number": "A", "umidità": {"value": 55, "unit": "%" * 64}},
        {"serial_number": "A", "text": "x" * 255},
        {"serial_number": "A", "most": 2**63 - 1, "least": 1 - 2**63},
        {"serial_number": "A", "a": {"b": {"c": {"d": 1, "e": {"value": 1}}}}},
    ],
)
def test_what_just_fits_is_accepted_with_all_its_values(data: dict[str, Any]) -> None:
    VALIDATORS["report"].validate(data)
    assert is_shown_as_a_whole(Channel.INPUT, data)


@pytest.mark.parametrize("gateway", [False, True])
def test_the_simulated_devices_keep_to_the_schemas(gateway: bool) -> None:
    chance = Random(0)
    for device in make_devices("sito_001", dataloggers=0 if gateway else 5, gateways=5 if gateway else 0):
        for now in (1.7e9, 1.8e9, 1.9e9):
            VALIDATORS["heartbeat"].validate(heartbeat(device, now, 60.0, chance))
            VALIDATORS["report"].validate(input_data(device, now, chance))
            VALIDATORS["report"].validate(output_data(device, now))


def test_the_examples_of_the_guide_keep_to_the_schemas() -> None:
    guide = (ROOT / "docs/device-guide.md").read_text(encoding="utf-8")
    examples = [json.loads(block.text) for block in blocks(guide) if block.info == "json"]
    assert len(examples) == 3
    for example, name in zip(examples, ("heartbeat", "heartbeat", "report"), strict=True):
        VALIDATORS[name].validate(example)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"serial_number": ""},
        {"serial_number": " "},
        {"serial_number": 0},
        {"serial_number": True},
        {"serial_number": 1.5},
        {"serial_number": 2**64},
        {"serial_number": None},
        {"serial_number": "x" * 65},
        {"serial_number": "a\x00b"},
    ],
)
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_can_not_be_used_does_not_fit(name: str, data: Any) -> None:
    channel = "heartbeat" if name == "heartbeat" else "input"
    assert not isinstance(parse(f"{TOPIC}/{channel}", json.dumps(data).encode(), retained=False), Heartbeat | Report)
    assert not VALIDATORS[name].is_valid(data)


@pytest.mark.parametrize(
    "value", [[1, 2], {"value": [1]}, {"a": {"b": {"c": {"d": {"e": 1}}}}}, 1e19, {"value": {"a": 1}}]
)
def test_values_that_would_not_be_shown_do_not_fit(value: Any) -> None:
    assert not VALIDATORS["report"].is_valid({"serial_number": "TEST123", "x": value})
