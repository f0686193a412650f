"""Runs a check: one query for how many rows fail, and the first few of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from penstock.errors import EngineError
from penstock.store.check_results import Result

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.project.objects import Endpoint
    from penstock.store.check_results import ResultState

_SAMPLE = 5
_COUNT = "_failures"


def run(check: Endpoint, client: Client) -> Result:
    """Run a check; what goes wrong with its query is its result.

    Raises:
        EngineDownError: the engine cannot be reached.
    """
    now, began = time.time_ns() // 1_000_000, time.monotonic()
    sql = f"SELECT count() OVER () AS {_COUNT}, * FROM (\n{check.sql}\n) LIMIT {_SAMPLE}"  # noqa: S608
    params = {param.name: param.default for param in check.params}
    try:
        rows = client.rows(sql, database=check.database, params=params)
    except EngineError as error:
        if error.code is None:  # not reached: that says nothing of the data
            raise
        took = int((time.monotonic() - began) * 1000)
        return Result(check.domain, check.name, now, "error", 0, [], took, error.what)
    failures = int(rows[0][_COUNT]) if rows else 0
    sample = [{k: v for k, v in row.items() if k != _COUNT} for row in rows]
    took = int((time.monotonic() - began) * 1000)
    state: ResultState = "failed" if failures else "passed"
    return Result(check.domain, check.name, now, state, failures, sample, took)
