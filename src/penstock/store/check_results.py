"""Results of checks of the data: the newest of each, and those before it for a month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from penstock.store.schema import CHECK_RESULT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.store.database import Store

ResultState = Literal["passed", "failed", "error"]
_KEPT_MS = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Result:
    """What a check gave.

    Attributes:
        domain: of the check.
        name: its own; a rule's is `relation.rule_column`.
        at_ms: when it was run, epoch milliseconds.
        state: `passed`, `failed`, or `error` where its query did not run.
        failures: rows that fail.
        sample: the first few of them.
        took_ms: how long it took.
        error: why it did not run.
    """

    domain: str
    name: str
    at_ms: int
    state: ResultState
    failures: int
    sample: list[dict[str, Any]]
    took_ms: int
    error: str = ""


class CheckResults:
    """All of them; safe to share between threads.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, results: Iterable[Result]) -> None:
        """Write results down, and forget those of more than a month before."""
        rows = [{name: getattr(each, name) for name in each.__slots__} for each in results]
        if not rows:
            return
        with self._store.writing() as connection:
            connection.execute(sa.insert(CHECK_RESULT), rows)
            old = CHECK_RESULT.c.at_ms < rows[-1]["at_ms"] - _KEPT_MS
            connection.execute(sa.delete(CHECK_RESULT).where(old))

    def newest(self) -> dict[tuple[str, str], Result]:
        """(domain, name) → its newest result."""
        one = sa.func.max(CHECK_RESULT.c.id)
        last = sa.select(one).group_by(CHECK_RESULT.c.domain, CHECK_RESULT.c.name)
        query = sa.select(CHECK_RESULT).where(CHECK_RESULT.c.id.in_(last))
        with self._store.reading() as connection:
            found = map(_read, connection.execute(query))
            return {(each.domain, each.name): each for each in found}

    def recent(self, each: int) -> dict[tuple[str, str], list[Result]]:
        """(domain, name) → its last results, the newest first, their samples left out.

        Args:
            each: most of one check.
        """
        of, named = CHECK_RESULT.c, sa.select(CHECK_RESULT.c.domain, CHECK_RESULT.c.name).distinct()
        columns = [column for column in of if column.name != "sample"]
        newest = sa.select(*columns).order_by(of.at_ms.desc(), of.id.desc()).limit(each)
        found: dict[tuple[str, str], list[Result]] = {}
        with self._store.reading() as connection:
            # One by one, each from the end of the index: a month of results is never ranked.
            for domain, name in connection.execute(named).all():
                mine = newest.where(of.domain == domain, of.name == name)
                found[domain, name] = [_read(row) for row in connection.execute(mine)]
        return found


def _read(row: sa.Row[Any]) -> Result:
    values: dict[str, Any] = {name: getattr(row, name, []) for name in Result.__slots__}
    return Result(**values)
