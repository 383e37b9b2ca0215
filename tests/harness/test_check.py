"""What the demo's check concludes from what it sees."""

from demo.check import Row, States, count_steady, table
from harness.home_assistant import device_entities

NOON, LATER = "2026-06-21T12:00:00+00:00", "2026-06-21T12:00:30+00:00"


def states(**entities: tuple[str, str]) -> States:
    return {id_: {"state": state, "last_changed": changed} for id_, (state, changed) in entities.items()}


def test_what_went_off_and_came_back_was_not_steady() -> None:
    before = states(a=("on", NOON), b=("on", NOON), c=("on", NOON), d=("off", NOON))
    after = states(a=("on", NOON), b=("on", LATER), c=("unavailable", LATER), d=("off", NOON))
    assert count_steady(before, after, ["a", "b", "c", "d"]) == 1


def test_the_table_shows_what_failed() -> None:
    lines = table([Row("first", "1", "1", ok=True), Row("the second one", "2", "10", ok=False)]).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["what", "first", "the second one"]
    assert lines[1].rstrip().endswith("yes")
    assert lines[2].rstrip().endswith("NO")
    assert len({len(line) for line in lines}) == 1


def test_entities_are_found_by_site_category_serial_and_key() -> None:
    rows = [
        ("site_devices", "sito_001/datalogger/A%2F1/connectivity", "binary_sensor.a"),
        ("site_devices", "sito_001/gateway/A%2F1/connectivity", "binary_sensor.b"),
        ("site_devices", "sito_001/datalogger/A%2F1/in/phase/l1", "sensor.c"),
        ("site_devices", "sito_002/datalogger/B/connectivity", "binary_sensor.d"),
        ("site_devices", "sito_001/connectivity", "binary_sensor.e"),
        ("other", "sito_001/datalogger/C/connectivity", "binary_sensor.f"),
        ("other", 5, "binary_sensor.g"),
    ]
    registry = [{"platform": platform, "unique_id": unique, "entity_id": id_} for platform, unique, id_ in rows]
    assert device_entities(registry, "sito_001", "connectivity") == {
        ("datalogger", "A/1"): "binary_sensor.a",
        ("gateway", "A/1"): "binary_sensor.b",
    }
    assert device_entities(registry, "sito_001", "in/phase/l1") == {("datalogger", "A/1"): "sensor.c"}
