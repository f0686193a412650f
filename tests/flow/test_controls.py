"""Negative controls: without the intent, or without healing, the same checker must go red."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.errors import LandingBlockedError
from penstock.layers.landing import Lander, Limits
from penstock.store.ledger import Intent
from penstock.store.schema import BATCH, POSITION

from .faults import Landing, homes
from .renames import Strace, count_renames, named, prepare, reopened, tables, warm


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of ours catches it."""


class DiesAfterInsert(Lander):
    """Dies between the insert and the closing of its intent."""

    def _count(self, intent: Intent, judged: int | None = None) -> int:
        super()._count(intent, judged)
        raise Killed


class DiesBeforeInsert(Lander):
    """Dies between the writing of its intent and the insert."""

    def _insert(self, *_: object) -> None:
        raise Killed


class WithoutIntent(Lander):
    """Knows nothing of what was being landed: cuts the records afresh, under another token."""

    def recover(self) -> int:
        with self.ledger.store.writing() as connection:
            connection.execute(sa.update(POSITION).values(open_batch=None))
            connection.execute(sa.delete(BATCH).where(BATCH.c.closed_no.is_(None)))
        self.limits = replace(self.limits, rows=70)
        return 0


def killed_and_taken_over(
    landing: Landing, dies: type[Lander], follows: type[Lander]
) -> tuple[list[str], list[str]]:
    """Land through a kill with one lander after the other; gives what checker and ledger say."""
    landing.source, landing.lander = landing.take_over(kind=dies, limits=Limits(age=0.0))
    landing.send(50, bodies=4)
    with pytest.raises(Killed):
        landing.land()
    assert len(landing.ledger.open_intents()) == 1, "the kill left no open intent"
    landing.source, landing.lander = landing.take_over(kind=follows)
    landing.lander.recover()
    landing.send(50)
    landing.land()
    return landing.check(), landing.tell()


@pytest.mark.parametrize("dies", [DiesBeforeInsert, DiesAfterInsert])
def test_with_the_intent_a_kill_leaves_no_trace(tmp_path: Path, dies: type[Lander]) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        assert killed_and_taken_over(landing, dies, Lander) == ([], [])


def test_without_the_intent_the_checker_goes_red(tmp_path: Path) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        found, differences = killed_and_taken_over(landing, DiesAfterInsert, WithoutIntent)
    doubled = [line for line in found if line.startswith("bronze doubled 200 rows")]
    assert doubled, f"200 rows stand twice and the checker says only: {found}"
    assert "serials 0-199" in doubled[0]
    assert any("no such batch in the ledger" in line for line in differences), differences


@pytest.mark.slow
@pytest.mark.usefixtures("traceable")
@pytest.mark.parametrize("stage", ["bronze", "gold"])
def test_without_healing_the_checker_goes_red(stage: str, tmp_path: Path) -> None:
    """A record without its part: the retry is told OK, and the rows are not there."""
    project, prepared = homes(tmp_path / "project"), tmp_path / "prepared"
    prepare(project, prepared)
    plan = count_renames(project, tmp_path / "count", prepared=prepared, rows=100)
    n = 1 if stage == "bronze" else len(plan)  # bronze's part is the first, a gold's the last
    with reopened(project, tmp_path / "data", prepared=prepared, healing=False) as landing:
        warm(landing)
        names, starts = tables(landing), landing.engine.starts
        assert landing.check() == []
        traced = Strace(landing.engine.pid, tmp_path / "trace", kill_at=n)
        landing.send(100)
        if stage == "bronze":
            # Bronze is counted before a batch is closed, so its loss cannot pass unseen.
            with pytest.raises(LandingBlockedError, match="0 in raw_sensors"):
                landing.land()
        else:
            landing.land()
        seen = traced.close()
        assert (len(seen), landing.engine.starts > starts) == (n, True), f"no kill came: {seen}"
        found, differences = landing.check(), landing.tell()
    table = named(seen[-1][1], names).partition("/")[0]
    if stage == "bronze":
        assert table == "raw_sensors"
        assert found[0].startswith("bronze lost 100 rows (serials 185-284)"), found
    else:
        assert [line for line in found if line.startswith(f"gold {table}")], (table, found)
        assert [line for line in differences if line.startswith(f"{table} rows")], differences
