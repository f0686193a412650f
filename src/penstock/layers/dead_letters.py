"""Dead letters: records that do not fit, kept in bronze with the reason."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.layers.reasons import fields, meaning
from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.engine.client import Client
    from penstock.project.objects import Domain, Project, Relation
    from penstock.sources.http import Receipt

_WINDOWS = (600, 86_400, 0)  # seconds back; 0 is all there is
_SHOWN = 500  # characters of a record in a list
_WHOLE = 2**32 - 1


class Refused(NamedTuple):
    """Dead letters among given rows: (part, pos, reason) of the first ones, and how many in all."""

    letters: list[tuple[int, int, str]]
    total: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant, and how they are shown.

    Attributes:
        limit: most of them.
        source: name of theirs; empty is all.
        reason: what their reason starts with; empty is all.
        whole: whether `raw` is the whole record; else it is cut for show.
    """

    limit: int
    source: str = ""
    reason: str = ""
    whole: bool = False


def newest(
    project: Project, client: Client, wanted: Wanted, domain: str = ""
) -> list[dict[str, Any]]:
    """The newest dead letters: domain, source, part, pos, reason, ingested_ms, raw.

    Args:
        project: whose.
        client: to the engine.
        wanted: which.
        domain: only of this one; empty is all.
    """
    letters = [
        letter for each in _domains(project, domain) for letter in _newest(each, client, wanted)
    ]
    letters.sort(key=lambda letter: -int(letter["ingested_ms"]))
    return letters[: wanted.limit]


def count(project: Project, client: Client, wanted: Wanted, domain: str = "") -> int:
    """How many of them bronze has, whatever the limit; arguments as for `newest`."""
    params = {"source": wanted.source, "reason": wanted.reason}
    return sum(
        int(client.rows(sql, database=each.database, params=params)[0]["rows"])
        for each in _domains(project, domain)
        for sql in (fill("dead_letter_count", bronze=b.name) for b in _bronze(each))
    )


def _newest(domain: Domain, client: Client, wanted: Wanted) -> list[dict[str, Any]]:
    """Looked for in the last minutes first: bronze is large, and its newest parts are small."""
    params = {
        "limit": str(wanted.limit),
        "width": str(_WHOLE if wanted.whole else _SHOWN),
        "source": wanted.source,
        "reason": wanted.reason,
    }
    letters: list[dict[str, Any]] = []
    for seconds in _WINDOWS:
        since = int((time.time() - seconds) * 1000) if seconds else 0
        letters = [
            {"domain": domain.name, **letter, **_meaning(bronze, letter["reason"])}
            for bronze in _bronze(domain)
            for letter in client.rows(
                fill("dead_letters", bronze=bronze.name),
                database=domain.database,
                params=params | {"since_ms": str(since)},
            )
        ]
        if len(letters) >= wanted.limit:
            break
    return letters


def groups(project: Project, client: Client, domain: str = "") -> list[dict[str, Any]]:
    """Dead letters by source and reason: rows, first_ms, last_ms, words, field, file, line.

    `file` and `line` are where the bronze table says what a good record is.

    Args:
        project: whose.
        client: to the engine.
        domain: only of this one; empty is all.
    """
    found = [
        {
            "domain": each.name,
            **row,
            **{name: int(row[name]) for name in ("rows", "first_ms", "last_ms")},
            **_meaning(bronze, row["reason"]),
            **judge(project, bronze),
        }
        for each in _domains(project, domain)
        for bronze in _bronze(each)
        for row in client.rows(
            fill("dead_letter_groups", bronze=bronze.name), database=each.database
        )
    ]
    return sorted(found, key=lambda group: (-group["rows"], group["source"], group["reason"]))


def one(
    project: Project, client: Client, source: tuple[str, str], part: int, pos: int
) -> dict[str, Any] | None:
    """One dead letter with its whole record; None where there is none at that position.

    `topic` is that of a source that reads one, and `pos` its offset there; `base64` has the bytes
    of a record that is no UTF-8 text.

    Args:
        project: whose.
        client: to the engine.
        source: (domain, name) of its source.
        part: of its position.
        pos: of its position.
    """
    domain = project.domain(source[0])
    params = {"source": source[1], "part": str(part), "pos": str(pos)}
    for bronze in _bronze(domain):
        found = client.rows(
            fill("dead_letter", bronze=bronze.name), database=domain.database, params=params
        )
        if found:
            topics = {s.name: str(s.options.get("topic", "")) for s in domain.sources}
            letter = {"domain": domain.name, **found[0], **judge(project, bronze)}
            letter["topic"] = topics.get(source[1], "")
            return letter | _meaning(bronze, letter["reason"])
    return None


def judge(project: Project, bronze: Relation) -> dict[str, Any]:
    """Where a bronze table says what a good record is: `file` in the project, and `line`."""
    column = bronze.table.column("_error") if bronze.table else None
    file = bronze.path.relative_to(project.root).as_posix()
    return {"file": file, "line": column.line if column else 1}


def within(
    project: Project, client: Client, source: tuple[str, str], spans: Sequence[Receipt], limit: int
) -> Refused:
    """The dead letters among landed rows of a source, named (domain, name)."""
    domain, name = source
    bronze = project.relation(domain, project.source(domain, name).into)
    ranges = " OR ".join(
        f"(_part = {s.part} AND _pos >= {s.start} AND _pos < {s.stop})" for s in spans
    )
    rows = client.rows(
        fill("dead_letters_within", bronze=bronze.name, ranges=ranges),
        database=bronze.database,
        params={"source": name, "limit": str(limit)},
    )
    letters = [(int(row["part"]), int(row["pos"]), str(row["reason"])) for row in rows]
    return Refused(letters, int(rows[0]["total"]) if rows else 0)


def _domains(project: Project, name: str) -> tuple[Domain, ...]:
    return (project.domain(name),) if name else project.domains


def _bronze(domain: Domain) -> list[Relation]:
    return [relation for relation in domain.relations if relation.stage == "bronze"]


def _meaning(bronze: Relation, reason: str) -> dict[str, str]:
    return meaning(reason, fields(bronze))._asdict()
