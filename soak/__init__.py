"""What takes too long for the tests: `scripts/soak PART…`, each part a module here that prints its figures.

`core` is Home Assistant's core in a process of its own, to be measured; `hostile` makes what a hostile publisher
sends. The tests in `tests/faults` run the same parts, shorter.
"""
