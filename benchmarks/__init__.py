"""The benchmark: this integration beside the alternatives, on real Home Assistant objects and real MQTT messages."""
