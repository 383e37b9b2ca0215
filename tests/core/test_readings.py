"""What a payload becomes: its leaves, whatever JSON it is."""

from __future__ import annotations

import json
import math
from typing import Any

from homeassistant.helpers.json import json_bytes
from hypothesis import given, strategies as st
import pytest

from custom_components.site_devices.core.protocol import Channel
from custom_components.site_devices.core.readings import (
    MAX_LEAVES,
    Kind,
    Leaf,
    is_diagnostic,
    is_output,
    leaf_of,
    leaves,
    makes_entity,
    words,
)

NUMBER, BOOLEAN, TEXT = Kind.NUMBER, Kind.BOOLEAN, Kind.TEXT
NOTHING = Leaf(None, None)
MOST = 2**63 - 1

# all that a JSON parser may hand over, and then some: names and texts with surrogates, numbers without bounds
texts = st.text(st.characters(), max_size=300)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
quantities = st.fixed_dictionaries({"value": scalars}, optional={"unit": scalars})
names = (
    st.sampled_from(["a", "a.b", "a b", "a_b", "a/b", "a%2Eb", "value", "unit", "serial_number", "__class__"]) | texts
)
payloads = st.dictionaries(
    names,
    st.recursive(
        scalars | quantities,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=30,
    ),
    max_size=8,
)


def of(data: dict[str, Any], channel: Channel = Channel.INPUT) -> dict[str, Leaf]:
    return leaves(channel, data)


def nested(depth: int) -> dict[str, Any]:
    """Return objects around a number: it has a path of as many levels."""
    data: Any = 1
    for level in range(depth, 0, -1):
        data = {f"l{level}": data}
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    ("value", "leaf"),
    [
        (230, Leaf(NUMBER, 230)),
        (-0.5, Leaf(NUMBER, -0.5)),
        (True, Leaf(BOOLEAN, True)),
        (False, Leaf(BOOLEAN, False)),
        ("auto", Leaf(TEXT, "auto")),
        ("", Leaf(TEXT, "")),
        ("12", Leaf(TEXT, "12")),
        (None, NOTHING),
        ([1, 2], NOTHING),
        ({"value": 21.5, "unit": "°C"}, Leaf(NUMBER, 21.5, "°C")),
        ({"value": 21.5}, Leaf(NUMBER, 21.5)),
        ({"value": True, "unit": "V"}, Leaf(BOOLEAN, True, "V")),
        ({"value": None, "unit": "V"}, Leaf(None, None, "V")),
        ({"value": 1, "unit": None}, Leaf(NUMBER, 1)),
        ({"value": 1, "unit": {"of": "what"}}, Leaf(NUMBER, 1)),
        ({"value": 1, "unit": " k\u0000W\ud800h "}, Leaf(NUMBER, 1, "kWh")),
        ({"value": 1, "unit": "u" * 10_000}, Leaf(NUMBER, 1, "u" * 64)),
    ],
)
def test_what_a_value_becomes(value: object, leaf: Leaf) -> None:
    assert of({"x": value}) == {"in/x": leaf}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (MOST, MOST),
        (-MOST, -MOST),
        (MOST + 1, None),
        (-MOST - 1, None),
        (2**64, None),
        pytest.param(10**400, None, id="10**400"),
        (1e18, 1e18),
        (float(2**63), None),
        (1e300, None),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        (5e-324, 5e-324),
    ],
)
def test_a_number_that_can_not_be_saved_is_unknown(value: float, kept: float | None) -> None:
    assert leaf_of(value) == Leaf(NUMBER, kept)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 255, "x" * 255),
        ("x" * 256, "x" * 255),
        ("😀" * 300, "😀" * 255),
        ("a\ud800b\x00c\nd", "a b c d"),
        ("così è", "così è"),
    ],
)
def test_a_text_is_cut_and_has_nothing_that_can_not_be_saved(text: str, kept: str) -> None:
    assert leaf_of(text) == Leaf(TEXT, kept)


def test_nested_objects_give_paths_down_to_four_levels() -> None:
    assert [key for key, leaf in of(nested(4)).items() if leaf.kind] == ["in/l1.l2.l3.l4"]
    assert [key for key, leaf in of(nested(5)).items() if leaf.kind] == []


def test_an_object_with_more_than_a_value_and_a_unit_is_nested() -> None:
    assert of({"x": {"value": 1, "unit": "V", "ok": True}}) == {
        "in/x": NOTHING,
        "in/x.value": Leaf(NUMBER, 1),
        "in/x.unit": Leaf(TEXT, "V"),
        "in/x.ok": Leaf(BOOLEAN, True),
    }
    assert of({"x": {"value": {"l1": 1}}})["in/x.value.l1"] == Leaf(NUMBER, 1)


def test_an_object_where_a_value_was_is_no_value() -> None:
    """The entity of the value hears of it, and is unknown."""
    assert of({"phase": {"l1": 1}})["in/phase"] == NOTHING


def test_a_serial_and_a_time_are_no_data_but_deeper_down_they_are() -> None:
    assert of({"serial_number": "A", "timestamp": 1, "meter": {"serial_number": "M"}}) == {
        "in/meter": NOTHING,
        "in/meter.serial_number": Leaf(TEXT, "M"),
    }


def test_what_a_heartbeat_says_of_its_device_is_no_data() -> None:
    said = dict.fromkeys(
        ("serial_number", "timestamp", "name", "manufacturer", "model", "sw_version", "firmware", "hw_version"), 1
    )
    assert of(said, Channel.HEARTBEAT) == {}
    assert of(said | {"rssi": -70}, Channel.HEARTBEAT) == {"hb/rssi": Leaf(NUMBER, -70)}
    assert "in/name" in of(said)


def test_the_channels_have_keys_of_their_own() -> None:
    assert [next(iter(of({"x": 1}, channel))) for channel in Channel] == ["hb/x", "in/x", "out/x"]
    assert [is_diagnostic(key) for key in ("hb/x", "in/x", "out/x")] == [True, False, False]
    assert [is_output(key) for key in ("hb/x", "in/x", "out/x")] == [False, False, True]


@pytest.mark.parametrize(
    ("key", "leaf", "made"),
    [
        ("in/x", Leaf(NUMBER, None), True),
        ("in/x", Leaf(TEXT, ""), True),
        ("out/x", Leaf(BOOLEAN, False), True),
        ("in/x", NOTHING, False),
        ("hb/x", Leaf(NUMBER, 1), True),
        ("hb/x", Leaf(TEXT, "a"), False),
        ("hb/x", Leaf(BOOLEAN, True), False),
        ("hb/x", NOTHING, False),
    ],
)
def test_which_leaves_make_an_entity(key: str, leaf: Leaf, made: bool) -> None:
    assert makes_entity(key, leaf) is made


@pytest.mark.parametrize("name", ["", " ", "\t", "x" * 65, "x" * 1_000_000, "a\nb", "a\x00", "\ud800", "a\u200bb"])
def test_a_name_that_nobody_can_read_is_left_out(name: str) -> None:
    assert of({name: 1, "x": {name: 1}}) == {"in/x": NOTHING}


def test_names_that_look_alike_are_different_leaves() -> None:
    data = {"a.b": 1, "a b": 2, "a_b": 3, "a": {"b": 4}, "a/b": 5, "a%2Eb": 6, "a%b": 7, "A.b": 8}
    found = [leaf.value for leaf in of(data).values() if leaf.kind]
    assert found == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"phase": {"l1": 1}}, "phase l1"),
        ({"outside_temperature": 1}, "outside temperature"),
        ({"a.b": 1}, "a.b"),
        ({"a/b": 1}, "a/b"),
        ({"50%": 1}, "50%"),
        ({"%2F": 1}, "%2F"),
        ({"__class__": 1}, "class"),
        ({"_": 1}, "_"),
        ({"_": {"__": 1}}, "_.__"),
        ({"  a  b ": 1}, "a b"),
    ],
)
def test_the_path_in_words(data: dict[str, Any], text: str) -> None:
    assert [words(key) for key, leaf in of(data).items() if leaf.kind] == [text]


def test_a_flood_of_leaves_is_not_looked_at() -> None:
    assert list(of({str(number): number for number in range(10_000)})) == [f"in/{n}" for n in range(MAX_LEAVES)]


@given(payloads, st.sampled_from(Channel))
def test_whatever_comes_can_be_a_state_and_be_saved(data: dict[str, Any], channel: Channel) -> None:
    found = leaves(channel, data)
    for key, leaf in found.items():
        assert leaf.unit is None or (0 < len(leaf.unit) <= 64 and leaf.unit.isprintable())
        assert len(key) <= 4 + 4 * (3 * 64 + 1)
        assert words(key)
        match leaf.kind:
            case Kind.NUMBER:
                assert type(leaf.value) in (int, float, type(None))
                assert leaf.value is None or abs(leaf.value) <= MOST  # type: ignore[arg-type]
            case Kind.BOOLEAN:
                assert type(leaf.value) is bool
            case Kind.TEXT:
                assert type(leaf.value) is str
                assert len(leaf.value) <= 255
                assert leaf.value.isprintable()
            case None:
                assert leaf.value is None
        assert leaf_of(leaf.value).value == leaf.value  # restoring changes nothing
    assert json.loads(json_bytes(found)) == {key: list(leaf) for key, leaf in found.items()}


@given(payloads)
def test_no_leaf_is_lost_to_another_with_the_same_key(data: dict[str, Any]) -> None:
    def count(inner: dict[str, Any], depth: int) -> int:
        total = 0
        for name, value in inner.items():
            usable = 0 < len(name) <= 64 and name.isprintable() and name.strip()
            if not usable or (depth == 1 and name in ("serial_number", "timestamp")):
                continue
            total += 1
            is_leaf = type(value) is not dict or (
                "value" in value and value.keys() <= {"value", "unit"} and type(value["value"]) is not dict
            )
            if not is_leaf and depth < 4:
                total += count(value, depth + 1)
        return total

    assert len(of(data)) == min(MAX_LEAVES, count(data, 1))
