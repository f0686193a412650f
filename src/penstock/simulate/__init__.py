"""Seeded generators on numpy that behave like the real senders.

Who reads what: `homes` makes the rows (`city` models them, `planted` breaks them), `telemetry`
those of meters (`incidents` breaks them), both on `stream` and `rows`, which write their bytes;
`http`, `kafka` and `file` hand them over, `truth` counts them. `producer` is for users.
The modules are imported by name (`from penstock.simulate.homes import Homes`), so that importing
this package costs nothing.
"""
