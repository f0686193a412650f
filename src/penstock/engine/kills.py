"""KILL QUERY by the name that a client gave its statement.

The engine gives each statement an id of its own and knows none of the clients'; the front knows
which connection runs which. A KILL QUERY with any other condition is the engine's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

import msgspec

from penstock.engine.parameters import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.engine.calls import Call
    from penstock.engine.jobs import Job
    from penstock.engine.pool import Pool, Result

_ID: Final = r"(?:'[\w.:-]{1,200}'|\{\s*\w+\s*:\s*String\s*\})"
_KILL: Final = re.compile(
    rf"KILL\s+QUERY\s+WHERE\s+query_id\s*(?:=\s*(?P<one>{_ID})|IN\s*\(\s*(?P<several>{_ID}(?:\s*,\s*{_ID})*)\s*\))"
    r"(?:\s*(?P<mode>SYNC|ASYNC|TEST))?(?:\s*FORMAT\s+\w+)?\s*;?\s*",
    re.IGNORECASE | re.ASCII,
)
_STATUS: Final = {"ASYNC": "waiting", "SYNC": "finished", "TEST": "unknown_status"}  # the engine's
_USER: Final = "default"  # the engine's only one
_ROWS: Final = resources.files("penstock.engine").joinpath("kill.sql").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Kill:
    """What a KILL QUERY asks for.

    Attributes:
        ids: names of statements.
        mode: ASYNC (the default), SYNC or TEST.
    """

    ids: frozenset[str]
    mode: str

    @classmethod
    def of(cls, call: Call) -> Kill | None:
        """The KILL QUERY by `query_id` that a call is; None where it is anything else."""
        match = None if call.body else _KILL.fullmatch(call.sql)
        if match is None or call.tables is not None:
            return None
        words = re.findall(_ID, match["one"] or match["several"], re.ASCII)
        return cls(
            frozenset(_value(word, call) for word in words), (match["mode"] or "ASYNC").upper()
        )

    def answer(self, pool: Pool, jobs: Sequence[Job], form: str) -> Result:
        """The rows that ClickHouse answers it with, in a format."""
        said = _STATUS[self.mode]
        rows = [(said, job.query_id, _USER, job.call.sql) for job in jobs]
        params = escaped(_ROWS, {"rows": msgspec.json.encode(rows).decode()})
        return pool.aside(_ROWS, form, params)


def _value(word: str, call: Call) -> str:
    if word.startswith("'"):
        return word[1:-1]
    return call.params.get(word.strip("{} ").partition(":")[0].strip(), "")
