"""Tests of the simulator's logic."""
