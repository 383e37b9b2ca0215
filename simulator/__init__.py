"""A fleet of fake dataloggers and gateways over one MQTT connection.

`devices` says what a device is and what it sends, `schedule` when; `fleet` joins the two and simulates faults;
`connection` publishes to a broker; `cli` is the command line.
"""
