"""Compat: the few places where the oldest and the newest supported Home Assistant differ."""

from __future__ import annotations

from homeassistant.data_entry_flow import FlowHandler


def update_progress(flow: FlowHandler, fraction: float) -> None:
    """Move the bar of a flow's progress page; before 2025.11 there is only a spinner."""
    if update := getattr(flow, "async_update_progress", None):
        update(fraction)
