"""The pictures show every contestant, and the same figures give the same file."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib", reason="it draws on the newest end only")

from benchmarks.pictures import draw

SERIES = {
    f"{measure}/{name}/{size}": [cost, 1.1 * cost, 1.3 * cost]
    for measure, scale in (("heartbeat", 1e-6), ("silence_stall", 1e-3))
    for name, factor in (
        ("floor_b", 1.6),
        ("ours", 3.0),
        ("timer", 12.0),
        ("core_expire_after", 10.0),
        ("core_off_delay", 18.0),
        ("poll", 40.0),
    )
    for size in (100, 1_000, 9_900)
    for cost in (scale * factor * size**0.1,)
}


def test_each_contestant_is_in_the_pictures(tmp_path):
    draw(SERIES, tmp_path)
    cost = (tmp_path / "heartbeat_cost.svg").read_text(encoding="utf-8")
    stall = (tmp_path / "loop_stall.svg").read_text(encoding="utf-8")
    for label in ("site_devices", "a timer a device", "core MQTT, expire_after"):
        assert label in cost
        assert label in stall
    assert "database and sweep" in cost


def test_the_same_figures_give_the_same_file_and_others_another(tmp_path):
    def stalls(*seconds: float) -> bytes:
        draw({**SERIES, "silence_stall/ours/9900": seconds}, tmp_path)
        return (tmp_path / "loop_stall.svg").read_bytes()

    first = stalls(0.4, 0.6, 0.9)
    assert stalls(0.4, 0.6, 0.9) == first
    assert stalls(0.5, 0.7, 1.0) != first
    assert stalls(0.5, 0.6, 0.7) != first  # the same median, surer
