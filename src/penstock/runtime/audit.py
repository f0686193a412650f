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
from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.layers.landing import Lander
    from penstock.store.ledger import Ledger

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names the running boot of this machine."""
    if _BOOT.exists():
        return _BOOT.read_text().strip()
    words = ["sysctl", "-n", "kern.bootsessionuuid"]  # macOS
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def audit(landers: Iterable[Lander], ledger: Ledger) -> int:
    """Compare the batches closed since the last audit with the engine, where that is due.

    Returns:
        Batches compared; 0 where the last stop was clean and the boot is the same.

    Raises:
        LandingBlockedError: a closed batch is not there whole; names it.
    """
    here = boot_id()
    due = ledger.get("boot_id") != here or ledger.get("clean_stop") != "yes"
    ledger.put("clean_stop", "no")
    batches = ledger.unaudited()
    if due and batches:
        first = min(batch.batch for batch in batches) - 1
        found: dict[int, tuple[int, int]] = {}
        for lander in landers:
            target = lander.target
            for row in lander.client.rows(
                fill("reconcile_batches", bronze=target.bronze, silver=target.silver),
                database=target.database,
                params={"source": lander.source.name, "after": str(first)},
            ):
                found[int(row["batch"])] = (int(row["rows"]), int(row["silver"]))
        for batch in batches:
            rows, silver = found.get(batch.batch, (0, 0))
            if (rows, silver) != (batch.rows, batch.good):
                spans = ", ".join(f"part {s.part} rows {s.start}-{s.stop}" for s in batch.spans)
                raise LandingBlockedError(
                    f"batch {batch.batch} was stored with {batch.rows} rows ({batch.good} good); "
                    f"after the machine went down bronze has {rows} and silver {silver}",
                    where=spans,
                    next_step="`penstock reconcile` lists every difference; restore a backup, or "
                    "start a new data directory and send the spool again",
                )
    if batches:
        ledger.audited(batches[-1].batch)
    ledger.put("boot_id", here)
    return len(batches) if due else 0
