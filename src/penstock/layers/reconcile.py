"""Reconcile: proves that nothing was lost and nothing doubled, or names where.

For each source: what the ledger says was received = bronze = silver + dead letters, batch by
batch; and each gold that says what it conserves equals the same query over silver.
"""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.engine.client import Client
    from penstock.layers.landing import Lander, Target
    from penstock.project.objects import Project, Relation
    from penstock.store.ledger import Batch, Ledger

_FLOAT = 1e-9  # relative: sums of floats depend on the order of adding
_TTL_SLACK_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where counts differ: the relation, what was expected, what is there."""

    relation: str
    where: str
    expected: str
    found: str


@dataclass(slots=True)
class SourceReport:
    """The balance of one source, up to its last closed batch."""

    source: str
    received: int = 0
    bronze: int = 0
    silver: int = 0
    dead_letters: int = 0
    batches: int = 0
    gold: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is accounted for."""
        return not self.differences


def reconcile(
    project: Project, landers: Iterable[Lander], client: Client, ledger: Ledger
) -> list[SourceReport]:
    """Compare ledger, bronze, silver and gold, while no batch is landed."""
    landers = list(landers)
    with ExitStack() as held:
        for lander in landers:
            held.enter_context(lander.hold)
        reports = [_source(lander, client, ledger) for lander in landers]
        seen: set[tuple[str, str]] = set()
        for lander, report in zip(landers, reports, strict=True):
            target = lander.target
            if (target.database, target.silver) not in seen:  # sources may share a silver
                seen.add((target.database, target.silver))
                report.differences += gold_differences(project, target, client, report.gold)
    return reports


def as_document(reports: list[SourceReport]) -> dict[str, Any]:
    """The reports as one JSON document."""
    return {
        "ok": all(report.ok for report in reports),
        "sources": [{**asdict(report), "ok": report.ok} for report in reports],
    }


def _source(lander: Lander, client: Client, ledger: Ledger) -> SourceReport:
    target, source = lander.target, lander.source
    stream = ledger.stream(source.domain, source.name, source.incarnation)
    report = SourceReport(f"{source.domain}/{source.name}")
    batches = ledger.batches(stream.id)
    found = {
        int(row["batch"]): row
        for row in client.rows(
            fill("reconcile_batches", bronze=target.bronze, silver=target.silver),
            database=target.database,
            params={"source": source.name, "after": "0"},
        )
    }
    kept_since = _kept_since(client, target.database, target.bronze)
    for batch in batches:
        row = found.pop(batch.batch, {"rows": 0, "good": 0, "silver": 0})
        _batch(report, batch, row, target, expired=batch.ingested_ms < kept_since)
    for number, row in found.items():
        report.differences.append(
            Difference(target.bronze, f"batch {number}", "no such batch in the ledger", str(row))
        )
    return report


def _batch(
    report: SourceReport, batch: Batch, row: Mapping[str, Any], target: Target, *, expired: bool
) -> None:
    rows, good, silver = (int(row[k]) for k in ("rows", "good", "silver"))
    report.received += batch.rows
    report.batches += 1
    report.silver += silver
    # Beyond the TTL of bronze the ledger's counts are what is left.
    report.bronze += batch.rows if expired else rows
    report.dead_letters += batch.dead if expired else rows - good
    where = _where(batch)
    if not expired and rows != batch.rows:
        report.differences.append(Difference(target.bronze, where, str(batch.rows), str(rows)))
    if silver != batch.good:
        report.differences.append(Difference(target.silver, where, str(batch.good), str(silver)))


def _where(batch: Batch) -> str:
    hour = time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(batch.ingested_ms / 1000))
    spans = ", ".join(f"part {s.part} rows {s.start} to {s.stop}" for s in batch.spans)
    return f"batch {batch.batch}, hour {hour}, {spans}"


def _kept_since(client: Client, database: str, bronze: str) -> int:
    """Epoch ms before which bronze may have dropped rows: a little after its oldest row."""
    sql = f"SELECT toUnixTimestamp64Milli(min(_ingested_at)) AS oldest FROM {bronze}"  # noqa: S608
    oldest = int(client.value(sql, database=database) or 0)
    week = int(time.time() * 1000) - 7 * 86_400_000
    return oldest + _TTL_SLACK_MS if 0 < oldest < week + _TTL_SLACK_MS else 0


def gold_differences(
    project: Project, target: Target, client: Client, found: dict[str, str] | None = None
) -> list[Difference]:
    """Where a gold that says what it conserves differs from the same query over silver.

    Args:
        project: whose golds they are.
        target: tables of a source.
        client: to the engine.
        found: filled with gold's own values by `gold.key`.
    """
    silver = next(
        r for r in project.relations() if (r.database, r.name) == (target.database, target.silver)
    )
    differences: list[Difference] = []
    for gold in project.downstream(silver):
        conserves, wanted = (gold.header.values.get(k) for k in ("conserves", "from_silver"))
        if not (isinstance(conserves, dict) and isinstance(wanted, dict)):
            continue
        values, expected = _values(client, gold, conserves), _values(client, silver, wanted)
        for key, value in values.items():
            if found is not None:
                found[f"{gold.name}.{key}"] = value
            if not _same(expected.get(key, ""), value):
                differences.append(
                    Difference(gold.name, f"{key}, all hours", expected.get(key, ""), value)
                )
    return differences


def _values(client: Client, relation: Relation, wanted: Mapping[str, str]) -> dict[str, str]:
    # Expressions come from the project's own files, like every statement that is applied. Plain
    # numbers name the results, so that no alias stands in for a column of the same name.
    columns = ", ".join(
        f"toString(ifNull({expression}, 0)) AS c{n}" for n, expression in enumerate(wanted.values())
    )
    sql = f"SELECT {columns} FROM `{relation.name}`"  # noqa: S608
    row = client.rows(sql, database=relation.database)[0]
    return {key: str(row[f"c{n}"]) for n, key in enumerate(wanted)}


def _same(expected: str, found: str) -> bool:
    if expected == found:
        return True
    try:
        a, b = float(expected), float(found)
    except ValueError:
        return False
    exact = "." not in expected and "e" not in expected.lower()
    return not exact and math.isclose(a, b, rel_tol=_FLOAT)
