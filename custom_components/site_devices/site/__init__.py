"""One loaded config entry: uses Home Assistant and `core`, never the modules at the top level."""
