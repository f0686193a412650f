"""For users: a project in a throw-away engine, with records given and rows expected.

::

    from penstock.testing import Sandbox

    with Sandbox("examples") as sandbox:
        sandbox.start("2026-11-21T14:00:00Z")
        sandbox.given("readings", [{"home_id": 7, "ts": "2026-11-21T13:59:00Z", "energy": 1.5}])
        sandbox.expect("hourly_stats", [{"home_id": 7, "readings": 1}])

Records become bronze rows by the statement that lands them in production, so silver, gold and the
endpoints are what they would be there. `penstock test` runs the files of `tests/` in the same way.
"""

from penstock.errors import ExpectationError
from penstock.testing.runner import Failure, Outcome, run
from penstock.testing.sandbox import Sandbox

__all__ = ["ExpectationError", "Failure", "Outcome", "Sandbox", "run"]
