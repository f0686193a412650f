"""The audit: closed batches are counted again, and those a machine went down over are judged.

A process that is killed loses nothing the kernel holds. A machine that goes down may: so when
the boot is another one than last time, or the last stop was not clean, each batch closed since
the audit mark is compared with what bronze and silver hold. The mark moves only past what was
compared: at such a start, and while the platform runs, an hour behind. After a clean stop it
stays where it is, as nothing is looked at then.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from penstock.errors import LandingBlockedError, LedgerError
from penstock.layers.conservation import compare
from penstock.layers.expiry import Counted
from penstock.layers.reconcile import by_silver, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.layers.landing import Lander
    from penstock.project.objects import Project
    from penstock.store.ledger import Batch, Intent, Ledger

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PAGE = 2000  # batches compared at a time
_NEXT = (
    "`penstock reconcile` lists every difference; restore a backup, or start a new data directory "
    "and send the spool again"
)
_log = structlog.get_logger(__name__)


def boot_id() -> str:
    """Names the running boot of this machine."""
    if _BOOT.exists():
        return _BOOT.read_text().strip()
    words = ["sysctl", "-n", "kern.bootsessionuuid"]  # macOS
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def has_rebooted(ledger: Ledger) -> bool:
    """Whether this is another boot than the one the ledger was last opened in."""
    return ledger.get("boot_id") not in {None, boot_id()}


def audit(project: Project, landers: Sequence[Lander], ledger: Ledger) -> int:
    """Compare what the ledger says is stored with the engine, where that is due.

    Args:
        project: whose golds are asked about open batches.
        landers: started, so that they hold their streams; none of them lands yet.
        ledger: of them all.

    Returns:
        Batches compared; 0 where the last stop was clean and the boot is the same.

    Raises:
        LandingBlockedError: a batch is not there whole; names it.
        LedgerError: the ledger is empty, and its tables have batches of another one.
    """
    if not ledger.batches(limit=1) and not ledger.open_intents():
        for lander in landers:
            _check_empty(lander)
    here, rebooted = boot_id(), has_rebooted(ledger)
    due = rebooted or ledger.get("clean_stop") != "yes"
    ledger.put("clean_stop", "no")
    compared = catch_up(landers, ledger) if due else 0
    if rebooted:
        for group in by_silver(landers):
            _settle(project, group, ledger)
    # Only now: whoever is killed before this judges the open batches by counting once more.
    ledger.put("boot_id", here)
    return compared


def catch_up(landers: Sequence[Lander], ledger: Ledger, *, before_ms: int | None = None) -> int:
    """Compare the batches closed since the audit mark, and move the mark past them.

    Args:
        landers: of the project's sources; batches of other sources are passed over, and logged.
        ledger: of them all.
        before_ms: leave those closed then or later for another time; epoch milliseconds.

    Returns:
        Batches compared.

    Raises:
        LandingBlockedError: a batch is not there whole; names it.
    """
    names = {s.id: (s.domain, s.source) for s in ledger.streams()}
    here = {(lander.source.domain, lander.source.name): lander for lander in landers}
    compared = 0
    replaying = ledger.replaying()  # a replay counts its batches itself, when it comes to its end
    while batches := ledger.unaudited(limit=_PAGE, before_ms=before_ms):
        others: Counter[str] = Counter()
        for stream_id in {batch.stream_id for batch in batches}:
            lander = here.get(names[stream_id])
            own = [b for b in batches if b.stream_id == stream_id and b.batch not in replaying]
            if lander is None:
                others["/".join(names[stream_id])] += len(own)
            elif own:
                _check(lander, own)
                compared += len(own)
        for source, passed in others.items():
            _log.warning("audit_left_out", source=source, batches=passed, why="not in the project")
        ledger.audited(batches[-1].batch)
    return compared


def _check_empty(lander: Lander) -> None:
    """An empty ledger counts from 1, and so would double the batches that a table has."""
    target = lander.target
    sql = f"SELECT count() AS rows FROM `{target.bronze}` WHERE _batch > 0"  # noqa: S608 - checked
    rows = int(lander.client.value(sql, database=target.database))
    if rows:
        raise LedgerError(
            f"{target.database}.{target.bronze} holds {rows:,} rows that another ledger landed",
            next_step="start in the data directory (and with the DATABASE_URL) that landed them, "
            "or choose another server or prefix, or drop the database",
        )


def _check(lander: Lander, batches: Sequence[Batch]) -> None:
    numbers = ",".join(str(batch.batch) for batch in batches)
    oldest = min(batch.ingested_ms for batch in batches)
    # The time lets the engine leave out bronze's older days unread.
    which = f"_batch IN ({numbers}) AND _ingested_at >= fromUnixTimestamp64Milli({oldest}, 'UTC')"
    found = counted(lander, lander.client, which)
    expiry = lander.target.expiry
    for batch in batches:
        there = found.get(batch.batch, Counted(0, 0, 0))
        if expiry.bronze_right(batch.rows, batch.ingested_ms, there) and expiry.silver_right(
            batch.good, batch.ingested_ms, there
        ):
            continue
        raise LandingBlockedError(
            f"batch {batch.batch} was stored with {batch.rows} rows ({batch.good} good); "
            f"now bronze has {there.rows} and silver {there.silver}",
            where=", ".join(f"part {s.part} rows {s.start}-{s.stop}" for s in batch.spans),
            next_step=_NEXT,
        )


def _settle(project: Project, landers: Sequence[Lander], ledger: Ledger) -> None:
    """Judge the open batches of a silver: a power cut may have taken the engine's tokens.

    One that is nowhere is landed as usual. One that is everywhere is closed here and now, as the
    engine may not know any more that it has it.
    """
    pending: list[tuple[Lander, Intent, Counted]] = []
    for lander in landers:
        source = lander.source
        stream = ledger.stream(source.domain, source.name, source.incarnation)
        pending += [(lander, i, lander.counts(i)) for i in ledger.open_intents(stream.id)]
    if not pending:
        return
    differences = compare(project, landers, landers[0].client, ledger).differences
    for lander, intent, found in pending:
        if found.rows == 0 and found.silver == 0:
            continue
        judged = lander.judge(intent)
        good = lander.target.expiry.good_of(intent.rows, intent.ingested_ms, found, judged)
        if good is None or differences:
            raise LandingBlockedError(
                f"batch {intent.batch} of {intent.rows} rows was being stored when the machine "
                f"went down: bronze has {found.rows}, silver {found.silver} of {found.good}; "
                f"{len(differences)} sums of gold differ",
                next_step=_NEXT,
            )
        lander.settle(intent, good)
