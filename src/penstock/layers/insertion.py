"""The statement that lands a batch, for lines of a spool and for records that bring positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.layers.statements import fill
from penstock.project.lexer import literal
from penstock.sources import records

if TYPE_CHECKING:
    from penstock.layers.landing import Target
    from penstock.sources.replayable import Form
    from penstock.store.ledger import Intent


def statement(target: Target, source: str, intent: Intent, form: Form = "lines") -> str:
    """The INSERT that lands a batch; its records are the body. Unqualified: run in the database."""
    values: dict[str, str | int] = {
        "bronze": f"`{target.bronze}`",
        "source": literal(source),
        "batch": intent.batch,
        "ingested_ms": intent.ingested_ms,
        "token": literal(intent.token),
    }
    if form == "records":
        return fill("land_records", structure=records.STRUCTURE, **values)
    stops, shifts, total = [], [], 0
    for span in intent.spans:
        shifts.append(span.start - total)
        total += span.stop - span.start
        stops.append(total)
    return fill(
        "land",
        parts="[" + ",".join(f"toUInt32({s.part})" for s in intent.spans) + "]",
        shifts="[" + ",".join(f"toInt64({n})" for n in shifts) + "]",
        stops=str(stops),
        **values,
    )
