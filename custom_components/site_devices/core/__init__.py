"""The rules, in pure Python: no Home Assistant, no clock, no event loop."""
