"""One config entry at work: knows Home Assistant and `core`, never a face."""
