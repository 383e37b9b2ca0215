"""With Home Assistant's recorder."""
