"""Seeded generators on numpy that behave like the real senders.

Who reads what: `homes` makes the rows (`city` models them, `planted` breaks them, `rows` writes
their bytes), `http` and `file` hand them over, `truth` counts them. The modules are imported by
name (`from penstock.simulate.homes import Homes`), so that importing this package costs nothing.
"""
