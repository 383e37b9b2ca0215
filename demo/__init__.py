"""The whole stack as real processes on loopback: a broker, Home Assistant and a simulated fleet.

`broker`, `home_assistant` and `stack` serve tests as well; `check` and `show` are the two ways to run the demo.
"""
