"""Dead letters: records that do not fit, kept in bronze with the reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from penstock.layers.statements import fill

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.project.objects import Domain, Relation

_WINDOWS = (600, 86_400, 0)  # seconds back; 0 is all there is
_SHOWN = 500  # characters of a record in a list


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


def _bronze(domain: Domain) -> list[Relation]:
    return [relation for relation in domain.relations if relation.stage == "bronze"]
