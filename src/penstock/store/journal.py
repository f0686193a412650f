"""The journal of apply: what is being changed, and what was applied last.

It does not decide what is left to do (that is the difference of files and database, read anew);
it remembers what the user agreed to, and lets a run that was cut short be gone on with.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from penstock.store.schema import APPLIED_FORM, APPLY_RUN, APPLY_STEP, NOTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock.store.database import Store

StepState = Literal["waiting", "running", "done", "failed"]
_DIGEST, _VERSION = "applied_digest", "applied_version"


@dataclass(frozen=True, slots=True)
class Run:
    """An apply that has not come to its end.

    Attributes:
        id: its number.
        digest: of the files it was to bring about.
        accepted: what the user agreed to, as JSON.
    """

    id: int
    digest: str
    accepted: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied last.

    Attributes:
        digest: of the files; empty where nothing was.
        version: of the engine that wrote the forms.
        forms: `database.table` → its form, as a row of `layers/sql/forms.sql`.
        relations: `database.table` → `database.relation` of the file it comes from.
    """

    digest: str = ""
    version: str = ""
    forms: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """Runs, steps and forms; safe to share between threads.

    Args:
        store: where they are kept.
        data: the data directory.

    Attributes:
        store: where they are kept.
        lock: the file that one applier at a time holds.
    """

    def __init__(self, store: Store, data: Path) -> None:
        self.store = store
        self.lock = data / "apply.lock"

    def applied(self) -> Applied:
        """What was applied last."""
        with self.store.reading() as connection:
            rows = connection.execute(sa.select(APPLIED_FORM)).all()
            notes = sa.select(NOTE).where(NOTE.c.key.in_([_DIGEST, _VERSION]))
            found = {row.key: row.value for row in connection.execute(notes)}
        return Applied(
            found.get(_DIGEST, ""),
            found.get(_VERSION, ""),
            {row.name: row.form for row in rows},
            {row.name: row.relation for row in rows},
        )

    def remember(self, applied: Applied) -> None:
        """Put what is applied now in the place of what was."""
        with self.store.writing() as connection:
            connection.execute(sa.delete(APPLIED_FORM))
            rows = [
                {"name": name, "relation": applied.relations[name], "form": form}
                for name, form in applied.forms.items()
            ]
            if rows:
                connection.execute(sa.insert(APPLIED_FORM), rows)
            connection.execute(sa.delete(NOTE).where(NOTE.c.key.in_([_DIGEST, _VERSION])))
            notes = ((_DIGEST, applied.digest), (_VERSION, applied.version))
            connection.execute(sa.insert(NOTE), [{"key": k, "value": v} for k, v in notes])

    def unfinished(self) -> Run | None:
        """The run that was cut short, if the last one was."""
        query = sa.select(APPLY_RUN).where(APPLY_RUN.c.state == "open").order_by(APPLY_RUN.c.id)
        with self.store.reading() as connection:
            rows = connection.execute(query).all()
        return Run(rows[-1].id, rows[-1].digest, rows[-1].accepted) if rows else None

    def begin(
        self, digest: str, accepted: Mapping[str, Any], owner: str, steps: Sequence[dict[str, Any]]
    ) -> int:
        """Write a run down before its first step; an open one before it is abandoned to it."""
        now = time.time_ns() // 1_000_000
        with self.store.writing() as connection:
            _end_open(connection, "abandoned", now)
            values = {"digest": digest, "accepted": dict(accepted), "owner": owner}
            made = connection.execute(
                sa.insert(APPLY_RUN)
                .values(**values, state="open", started_ms=now)
                .returning(APPLY_RUN.c.id)
            )
            run: int = made.scalar_one()
            rows = [
                {"run_id": run, "no": no, "step": step, "state": "waiting", "error": ""}
                for no, step in enumerate(steps)
            ]
            connection.execute(sa.insert(APPLY_STEP), rows)
        return run

    def mark(self, run: int, number: int, state: StepState, error: str = "") -> None:
        """Note how a step stands."""
        one = (APPLY_STEP.c.run_id == run) & (APPLY_STEP.c.no == number)
        with self.store.writing() as connection:
            connection.execute(sa.update(APPLY_STEP).where(one).values(state=state, error=error))

    def finish(self) -> None:
        """Note that nothing is left to do."""
        with self.store.writing() as connection:
            _end_open(connection, "done", time.time_ns() // 1_000_000)

    def steps(self, run: int) -> list[tuple[dict[str, Any], str]]:
        """The steps of a run in order, each with its state."""
        query = sa.select(APPLY_STEP).where(APPLY_STEP.c.run_id == run).order_by(APPLY_STEP.c.no)
        with self.store.reading() as connection:
            return [(row.step, row.state) for row in connection.execute(query)]


def _end_open(connection: sa.Connection, state: str, now: int) -> None:
    open_ones = sa.update(APPLY_RUN).where(APPLY_RUN.c.state == "open")
    connection.execute(open_ones.values(state=state, ended_ms=now))
