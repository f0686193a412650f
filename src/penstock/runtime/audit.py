"""The boot audit: after a machine has gone down, closed batches are counted again.

A process that is killed loses nothing the kernel holds. A machine that goes down may: so when
the boot is another one than last time, or the last stop was not clean, each batch closed since
the last audit is compared with what bronze and silver hold.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import LandingBlockedError
from penstock.layers.reconcile import gold_differences
from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.layers.landing import Lander
    from penstock.project.objects import Project
    from penstock.store.ledger import Batch, Ledger

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NEXT = (
    "`penstock reconcile` lists every difference; restore a backup, or start a new data directory "
    "and send the spool again"
)


def boot_id() -> str:
    """Names the running boot of this machine."""
    if _BOOT.exists():
        return _BOOT.read_text().strip()
    words = ["sysctl", "-n", "kern.bootsessionuuid"]  # macOS
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def audit(project: Project, landers: Sequence[Lander], ledger: Ledger) -> int:
    """Compare what the ledger says is stored with the engine, where that is due.

    Returns:
        Batches compared; 0 where the last stop was clean and the boot is the same.

    Raises:
        LandingBlockedError: a batch is not there whole; names it.
    """
    here = boot_id()
    rebooted = ledger.get("boot_id") not in {None, here}
    due = rebooted or ledger.get("clean_stop") != "yes"
    ledger.put("clean_stop", "no")
    batches = ledger.unaudited()
    if due and batches:
        found = _found(landers, min(batch.batch for batch in batches) - 1)
        for batch in batches:
            _check(batch, found.get(batch.batch, (0, 0)))
    if rebooted:
        for lander in landers:
            _settle(project, lander, ledger)
    if batches:
        ledger.audited(batches[-1].batch)
    ledger.put("boot_id", here)
    return len(batches) if due else 0


def _found(landers: Sequence[Lander], after: int) -> dict[int, tuple[int, int]]:
    """Batch → rows in bronze and in silver, of batches with a higher number."""
    return {
        int(row["batch"]): (int(row["rows"]), int(row["silver"]))
        for lander in landers
        for row in lander.client.rows(
            fill("reconcile_batches", bronze=lander.target.bronze, silver=lander.target.silver),
            database=lander.target.database,
            params={"source": lander.source.name, "after": str(after)},
        )
    }


def _check(batch: Batch, found: tuple[int, int]) -> None:
    if found == (batch.rows, batch.good):
        return
    rows, silver = found
    raise LandingBlockedError(
        f"batch {batch.batch} was stored with {batch.rows} rows ({batch.good} good); "
        f"after the machine went down bronze has {rows} and silver {silver}",
        where=", ".join(f"part {s.part} rows {s.start}-{s.stop}" for s in batch.spans),
        next_step=_NEXT,
    )


def _settle(project: Project, lander: Lander, ledger: Ledger) -> None:
    """Judge open batches by counting: a power cut may have taken the engine's memory of tokens.

    One that is nowhere is landed as usual. One that is everywhere must not be inserted again.
    """
    source = lander.source
    stream = ledger.stream(source.domain, source.name, source.incarnation)
    for intent in ledger.open_intents(stream.id):
        rows, good, silver = lander.counts(intent)
        if rows == 0 and silver == 0:
            continue
        golds = gold_differences(project, lander.target, lander.client)
        if rows != intent.rows or good != silver or golds:
            raise LandingBlockedError(
                f"batch {intent.batch} of {intent.rows} rows was being stored when the machine "
                f"went down: bronze has {rows}, silver {silver} of {good}; {len(golds)} sums of "
                "gold differ",
                next_step=_NEXT,
            )
        lander.settled.add(intent.batch)
