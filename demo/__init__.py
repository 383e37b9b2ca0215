"""The demo: a broker, Home Assistant and a simulated fleet, for a person (`show`) or without one (`check`)."""
