"""Statements that somebody kept under a name, to run them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from penstock.store.schema import SAVED_QUERY

if TYPE_CHECKING:
    from penstock.store.database import Store


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A statement and how its answer is looked at.

    Attributes:
        name: of its own, each once.
        sql: as it was typed.
        database: where its unqualified names are looked up.
        settings: of the page that keeps it, such as how its chart is drawn; JSON.
        saved_ms: when it was last written, epoch milliseconds.
    """

    name: str
    sql: str
    database: str
    settings: dict[str, Any]
    saved_ms: int


class SavedQueries:
    """All of them; safe to share between threads.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[SavedQuery]:
        """By name."""
        query = sa.select(SAVED_QUERY).order_by(SAVED_QUERY.c.name)
        with self._store.reading() as connection:
            return [
                SavedQuery(**{name: getattr(row, name) for name in SavedQuery.__slots__})
                for row in connection.execute(query)
            ]

    def save(self, query: SavedQuery, *, most: int) -> bool:
        """Write one in place of what had its name; False where there are `most` others already."""
        named = SAVED_QUERY.c.name == query.name
        with self._store.writing() as connection:
            connection.execute(sa.delete(SAVED_QUERY).where(named))
            count = connection.execute(sa.select(sa.func.count()).select_from(SAVED_QUERY)).scalar()
            if int(count or 0) >= most:
                return False
            values = {name: getattr(query, name) for name in query.__slots__}
            connection.execute(sa.insert(SAVED_QUERY).values(values))
        return True

    def forget(self, name: str) -> bool:
        """Remove one; False where there is none of that name."""
        with self._store.writing() as connection:
            done = connection.execute(sa.delete(SAVED_QUERY).where(SAVED_QUERY.c.name == name))
            return bool(done.rowcount)
