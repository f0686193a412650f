"""Dead letters: records that do not fit, kept in bronze with the reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.layers.statements import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.engine.client import Client
    from penstock.project.objects import Domain, Project, Relation
    from penstock.sources.http import Receipt

_WINDOWS = (600, 86_400, 0)  # seconds back; 0 is all there is
_SHOWN = 500  # characters of a record in a list


class Refused(NamedTuple):
    """Dead letters among given rows: (part, pos, reason) of the first ones, and how many in all."""

    letters: list[tuple[int, int, str]]
    total: int


def newest(domain: Domain, client: Client, limit: int) -> list[dict[str, Any]]:
    """The newest dead letters of a domain: source, part, pos, reason, ingested_ms, raw (cut).

    Looked for in the last minutes first: bronze is large, and its newest parts are small.
    """
    letters: list[dict[str, Any]] = []
    for seconds in _WINDOWS:
        since = int((time.time() - seconds) * 1000) if seconds else 0
        params = {"limit": str(limit), "width": str(_SHOWN), "since_ms": str(since)}
        letters = [
            letter
            for bronze in _bronze(domain)
            for letter in client.rows(
                fill("dead_letters", bronze=bronze.name), database=domain.database, params=params
            )
        ]
        if len(letters) >= limit:
            break
    letters.sort(key=lambda letter: -int(letter["ingested_ms"]))
    return letters[:limit]


def groups(domain: Domain, client: Client) -> list[dict[str, Any]]:
    """Dead letters of a domain by source and reason: rows, last_ms."""
    return [
        row
        for bronze in _bronze(domain)
        for row in client.rows(
            fill("dead_letter_groups", bronze=bronze.name), database=domain.database
        )
    ]


def one(domain: Domain, client: Client, source: str, part: int, pos: int) -> dict[str, Any] | None:
    """One dead letter with its whole record; None where there is none at that position."""
    params = {"source": source, "part": str(part), "pos": str(pos)}
    for bronze in _bronze(domain):
        found = client.rows(
            fill("dead_letter", bronze=bronze.name), database=domain.database, params=params
        )
        if found:
            return found[0]
    return None


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


def _bronze(domain: Domain) -> list[Relation]:
    return [relation for relation in domain.relations if relation.stage == "bronze"]
