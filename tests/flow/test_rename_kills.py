"""The engine is killed at each rename of one insert; every row is there once all the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from penstock.layers.landing import Lander
from penstock.store.ledger import Batch, Intent

from .faults import Landing, homes, readings
from .renames import (
    GOLDS,
    Strace,
    count_renames,
    named,
    prepare,
    reopened,
    tables,
    warm,
)

ROWS = 100


@pytest.mark.slow
@pytest.mark.usefixtures("traceable")
def test_a_kill_at_each_rename_of_one_insert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bronze, a silver of three months, five golds, one fed by another: it retries its intent."""
    project, prepared = homes(tmp_path / "project"), tmp_path / "prepared"
    prepare(project, prepared)
    plan = count_renames(project, tmp_path / "count", prepared=prepared, rows=ROWS)
    assert {p.partition("/")[0] for p in plan} == {
        "raw_sensors", "readings", *GOLDS,
    }  # fmt: skip
    failures, story, began = [], [], time.monotonic()
    # The golds are written in an order that changes from run to run: a place may need more tries.
    missing, tries = {"leases.json.new", *plan}, [0, *range(1, len(plan) + 1)]
    while tries:
        n = tries.pop(0)
        with reopened(project, tmp_path / f"kill-{len(story)}", prepared=prepared) as landing:
            kill = one_kill(landing, tmp_path / f"{len(story)}.strace", n)
        missing.discard(kill.at)
        story.append(f"{n:3}  {kill.at}, healed {', '.join(kill.healed) or 'nothing'}")
        failures += [f"kill at rename {n} ({kill.at}): {problem}" for problem in kill.problems]
        if missing and not tries and len(story) < 6 * len(plan):
            tries = [n for n, part in enumerate(plan, 1) if part in missing]
    with capsys.disabled():
        print(f"\n{len(plan)} parts, {time.monotonic() - began:.1f} s", *story, sep="\n")
    assert not failures, "\n".join(failures)
    assert not missing, f"no kill came before the renames of {missing}"


@dataclass
class Kill:
    """One round: what the engine was about to rename, parts healed, and all that is wrong."""

    at: str
    healed: list[str]
    problems: list[str]


def one_kill(landing: Landing, log: Path, n: int) -> Kill:
    """Land a batch through a kill at its n-th rename of a part; 0 is the lease's own rename."""
    if n:
        warm(landing)
    names, first = tables(landing), landing.ledger.batches()[0]
    traced, starts = Strace(landing.engine.pid, log, kill_at=max(n, 1)), landing.engine.starts
    with capture_logs() as events:
        landing.send(ROWS)
        landing.land()
    seen = traced.close()
    problems = landing.check()
    if landing.engine.starts == starts or len(seen) != max(n, 1):
        problems.append(f"the kill did not come: {seen}")
    if landing.ledger.open_intents():
        problems.append("the batch was not closed")
    # What healing has to leave alone: the record of a part that was merged into a larger one.
    again(landing.lander, first)
    landing.send(10)
    landing.land()
    problems += [f"afterwards, {p}" for p in landing.check() if p not in problems]
    if not landing.reconcile()["ok"]:
        problems.append(f"reconcile: {landing.tell()}")
    healed = [e["part"] for e in events if e["event"] == "engine_healed"]
    return Kill(named(seen[-1][1], names) if seen else "nothing", healed, problems)


def again(lander: Lander, batch: Batch) -> None:
    """Insert a landed batch once more under its token, as a retry would."""
    intent = Intent(
        batch=batch.batch, stream_id=batch.stream_id, spans=batch.spans, rows=batch.rows,
        size=batch.size, fingerprint=batch.fingerprint, ingested_ms=batch.ingested_ms,
        token=batch.token, epoch=lander._stream.epoch, attempts=0, error="", state="open",
    )  # fmt: skip
    lander._insert(intent, readings(0, batch.rows))
