"""Dead letters: records that do not fit, kept in bronze with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.layers.statements import fill

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.project.objects import Domain, Relation

_SHOWN = 500  # characters of a record in a list
_WHOLE = 2**32 - 1


def newest(
    domain: Domain, client: Client, limit: int, *, whole: bool = False
) -> list[dict[str, Any]]:
    """The newest dead letters of a domain: source, part, pos, reason, ingested_ms, raw.

    Args:
        domain: whose.
        client: to the engine.
        limit: most of them.
        whole: whether `raw` is the whole record; else it is cut for show.
    """
    params = {"limit": str(limit), "width": str(_WHOLE if whole else _SHOWN)}
    letters: list[dict[str, Any]] = []
    for bronze in _bronze(domain):
        letters += client.rows(
            fill("dead_letters", bronze=bronze.name), database=domain.database, params=params
        )
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
