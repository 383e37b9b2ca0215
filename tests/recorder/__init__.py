"""Tests with the real recorder."""
