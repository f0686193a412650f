"""Reconcile: proves that nothing was lost and nothing doubled, or names where.

For each source: what the ledger says was received = bronze = silver + dead letters, batch by
batch; and each gold that says what it conserves equals the same query over silver. A batch that
is still being landed, or whose dead letters are still being replayed, is left out, and listed.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.layers.conservation import Difference, compare
from penstock.layers.expiry import Counted
from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.engine.client import Client
    from penstock.layers.landing import Lander
    from penstock.project.objects import Project
    from penstock.store.ledger import Batch, Ledger

_PAGE = 10_000  # batches compared at a time: what is held of them stays small
_LISTED = 1000  # differences of one source that are told one by one


@dataclass(frozen=True, slots=True)
class Open:
    """A batch that is being landed: its rows, and what of it is stored already."""

    batch: int
    rows: int
    bronze: int
    silver: int


@dataclass(slots=True)
class SourceReport:
    """The balance of one source, over its closed batches.

    Attributes:
        source: `domain/name`.
        received: rows by the ledger.
        bronze: rows there; of batches past its TTL the ledger's count.
        silver: rows there; of batches past its TTL the ledger's count.
        dead_letters: rows of bronze that are no good.
        batches: how many were compared.
        open: batches that are being landed, which are left out of all the counts.
        gold: values of gold by `gold.key`.
        differences: the first thousand of them.
        unlisted: how many more there are.
        uncompared: what could not be compared, each with the reason.
    """

    source: str
    received: int = 0
    bronze: int = 0
    silver: int = 0
    dead_letters: int = 0
    batches: int = 0
    open: list[Open] = field(default_factory=list)
    gold: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    unlisted: int = 0
    uncompared: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is accounted for."""
        return not self.differences

    def differs(self, *found: Difference) -> None:
        """Add differences."""
        room = max(0, _LISTED - len(self.differences))
        self.differences += found[:room]
        self.unlisted += len(found[room:])


def reconcile(
    project: Project, landers: Iterable[Lander], client: Client, ledger: Ledger
) -> list[SourceReport]:
    """Compare ledger, bronze, silver and gold.

    What is closed does not change any more, so landing stands still only while the last few
    batches and the golds are looked at.
    """
    looks = [_Look(lander, client, ledger) for lander in landers]
    for look in looks:
        look.closed()
    with ExitStack() as held:
        for look in looks:
            held.enter_context(look.lander.hold)
        for look in looks:
            look.rest()
        reports = {id(look.lander): look.report for look in looks}
        for group in by_silver([look.lander for look in looks]):
            _golds(project, group, [reports[id(lander)] for lander in group], client, ledger)
    return [look.report for look in looks]


def as_document(reports: list[SourceReport]) -> dict[str, Any]:
    """The reports as one JSON document."""
    return {
        "ok": all(report.ok for report in reports),
        "sources": [{**asdict(report), "ok": report.ok} for report in reports],
    }


def by_silver(landers: Sequence[Lander]) -> list[list[Lander]]:
    """Landers in groups that share a silver table."""
    groups: dict[tuple[str, str], list[Lander]] = {}
    for lander in landers:
        groups.setdefault((lander.target.database, lander.target.silver), []).append(lander)
    return list(groups.values())


def counted(lander: Lander, client: Client, which: str) -> dict[int, Counted]:
    """Rows of a source's batches in the engine.

    Args:
        lander: of the source.
        client: to the engine.
        which: a condition on `_batch` and `_ingested_at`, made of numbers of ours.
    """
    target = lander.target
    rows = client.rows(
        fill("reconcile_batches", bronze=target.bronze, silver=target.silver, which=which),
        database=target.database,
        params={"source": lander.source.name},
    )
    return {int(r["batch"]): Counted(*(int(r[name]) for name in Counted._fields)) for r in rows}


class _Look:
    """Looks at one source's batches, in the order of their numbers, page by page."""

    def __init__(self, lander: Lander, client: Client, ledger: Ledger) -> None:
        self.lander, self._client, self._ledger = lander, client, ledger
        source = lander.source
        self._stream = ledger.stream(source.domain, source.name, source.incarnation).id
        self._after = 0
        self._replaying = ledger.replaying()
        self._left_out = 0
        self.report = SourceReport(f"{source.domain}/{source.name}")

    def closed(self) -> None:
        """Batches before the oldest open one; a lander opens one at a time, so no gap is left."""
        first_open = min((i.batch for i in self._ledger.open_intents(self._stream)), default=None)
        while True:
            page = self._ledger.batches(self._stream, after=self._after, limit=_PAGE)
            page = [b for b in page if first_open is None or b.batch < first_open]
            if not page:
                return
            self._page(page, f"_batch > {self._after} AND _batch <= {page[-1].batch}", set())
            self._after = page[-1].batch

    def rest(self) -> None:
        """Everything after that, while nothing moves; open batches are listed, not compared."""
        intents = self._ledger.open_intents(self._stream)
        for intent in intents:
            found = self.lander.counts(intent)
            self.report.open.append(Open(intent.batch, intent.rows, found.rows, found.silver))
        page = self._ledger.batches(self._stream, after=self._after)
        self._page(page, f"_batch > {self._after}", {intent.batch for intent in intents})
        if self._left_out:
            text = f"{self._left_out} batches: the replay of their dead letters is not at its end"
            self.report.uncompared.append(text)

    def _page(self, page: list[Batch], which: str, left_out: set[int]) -> None:
        found = counted(self.lander, self._client, which)
        for batch in page:
            self._batch(batch, found.pop(batch.batch, Counted(0, 0, 0)))
        for number, there in found.items():
            if number not in left_out:
                text = f"bronze {there.rows}, silver {there.silver}"
                cause = ("no such batch in the ledger", text)
                self.report.differs(
                    Difference(self.lander.target.bronze, f"batch {number}", *cause)
                )

    def _batch(self, batch: Batch, found: Counted) -> None:
        target, report = self.lander.target, self.report
        expiry = target.expiry
        report.received += batch.rows
        report.batches += 1
        if batch.batch in self._replaying:  # half of it may be stored: by the ledger alone
            report.bronze += batch.rows
            report.dead_letters += batch.dead
            report.silver += batch.good
            self._left_out += 1
            return
        # Beyond a TTL the ledger's counts are what is left.
        old = expiry.bronze(batch.ingested_ms)
        report.bronze += batch.rows if old else found.rows
        report.dead_letters += batch.dead if old else found.rows - found.good
        report.silver += batch.good if expiry.silver(batch.ingested_ms) else found.silver
        where = _where(batch)
        if not expiry.bronze_right(batch.rows, batch.ingested_ms, found):
            expected, there = str(batch.rows), str(found.rows)
            report.differs(Difference(target.bronze, where, expected, there))
        if not expiry.silver_right(batch.good, batch.ingested_ms, found):
            expected, there = str(batch.good), str(found.silver)
            report.differs(Difference(target.silver, where, expected, there))


def _golds(
    project: Project,
    landers: Sequence[Lander],
    reports: Sequence[SourceReport],
    client: Client,
    ledger: Ledger,
) -> None:
    """Compare the golds of a silver; the first of its sources reports them."""
    compared = compare(project, landers, client, ledger)
    first = reports[0]
    first.gold = compared.values
    first.uncompared += compared.uncompared
    half = [o.batch for report in reports for o in report.open if o.bronze or o.silver]
    half += sorted(ledger.replaying())
    if half and compared.differences:
        text = f"batch {half[0]} is half stored, so gold cannot be compared yet"
        first.uncompared += [f"{d.relation} {d.where}: {text}" for d in compared.differences]
    else:
        first.differs(*compared.differences)


def _where(batch: Batch) -> str:
    hour = time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(batch.ingested_ms / 1000))
    spans = ", ".join(f"part {s.part} rows {s.start} to {s.stop}" for s in batch.spans)
    return f"batch {batch.batch}, hour {hour}, {spans}"
