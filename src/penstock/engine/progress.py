"""How far a statement is, asked for by the name that its client gave it.

A server knows that name. The engine in our process gives each statement an id of its own, so the
front answers this one SELECT (`progress.sql`, word by word) by the connection it runs on.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from penstock.engine.parameters import escaped
from penstock.engine.pool import TAG

if TYPE_CHECKING:
    from penstock.engine.calls import Call
    from penstock.engine.jobs import Job
    from penstock.engine.pool import Pool, Result

SQL: Final = resources.files("penstock.engine").joinpath("progress.sql").read_text("utf-8").strip()
PARAM: Final = "query_id"
_BY_TAG: Final = SQL.replace("WHERE query_id =", f"WHERE Settings['{TAG}'] =")


def asked_after(call: Call) -> str | None:
    """The name of the statement that a call asks after; None where it asks for anything else."""
    return call.params.get(PARAM) if call.keyed and call.sql.strip() == SQL else None


def answer(pool: Pool, job: Job | None, form: str) -> Result:
    """One row; none where nothing of that name is there or it still waits for a connection."""
    tag = job.tag if job is not None else ""
    return pool.aside(_BY_TAG, form, escaped(_BY_TAG, {PARAM: tag or "-"}))
