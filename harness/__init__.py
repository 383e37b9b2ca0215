"""What the demo, the tests, the soak and the benchmark stand on.

`process` runs programs that never outlive us: `broker`, `home_assistant` (a whole one, set up by `seed`, asked over
`websocket`) and `worker` (one of our modules). `stack` joins the first two to a simulated fleet. `core` is Home Assistant's
core in the process at hand, `history` what becomes of its states, `waiting` waits.
"""
