"""Tests of the demo's parts that need no Home Assistant process."""
