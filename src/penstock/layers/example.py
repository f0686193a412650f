"""A record that a source would take: what to send to try it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock.layers.reasons import fields
from penstock.layers.statements import fill

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.project.objects import Project, Source

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
_NUMBER = re.compile(r"U?Int\d+|Float\d+|Decimal")


def record(project: Project, source: Source, client: Client) -> str:
    """One line of JSON, its times moved to now.

    It is the newest good record of the source; where there is none yet, one with the fields that
    bronze reads, which may need better values.

    Raises:
        EngineError: bronze cannot be read. EngineDownError: not reached.
    """
    bronze = project.relation(source.domain, source.into)
    found = client.rows(
        fill("good_record", bronze=bronze.name),
        database=bronze.database,
        params={"source": source.name},
    )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if found:
        try:
            known = json.loads(found[0]["raw"])
        except ValueError:  # what is good is the user's to say; it need not be JSON
            return str(found[0]["raw"])
        return json.dumps(_moved(known, now), ensure_ascii=False)
    doc = bronze.table.column("doc") if bronze.table else None
    kind = doc.type if doc else ""
    return json.dumps({name: _value(name, kind, now) for name in fields(bronze)})


def _moved(value: Any, now: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _moved(each, now) for name, each in value.items()}
    return now if isinstance(value, str) and _TIME.fullmatch(value) else value


def _value(name: str, doc: str, now: str) -> str | int:
    """A value that may fit, by the field's type in `doc`, and by its name where that is a text."""
    kind = re.search(rf"[(,]\s*`?{re.escape(name)}`?\s+(?:Nullable\()?(\w+)", doc)
    if kind and _NUMBER.match(kind[1]):
        return 1
    is_time = re.fullmatch(r"ts|.*time.*|.*date.*|.*_at|at", name)
    return now if is_time or (kind and kind[1].startswith("Date")) else "1"
