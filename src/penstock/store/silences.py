"""Silences: alerts, or single keys of them, of which nobody is to be told for a time.

Few, short-lived and always read together: one note of the store, changed in a transaction.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from penstock.store.dialects import upsert
from penstock.store.schema import NOTE

if TYPE_CHECKING:
    from penstock.store.database import Store
    from penstock.store.incidents import Incident

_NOTE = "silences"


@dataclass(frozen=True, slots=True)
class Silence:
    """One of them.

    Attributes:
        domain: of the alert.
        alert: its name.
        key: of incidents, as JSON, its values as such or as texts; empty: all of the alert's.
        until_ms: when it ends, epoch milliseconds.
        reason: for people.
    """

    domain: str
    alert: str
    key: str
    until_ms: int
    reason: str

    def covers(self, incident: Incident) -> bool:
        """Whether nobody is told of an incident."""
        mine = (self.domain, self.alert) == (incident.domain, incident.alert)
        return mine and (not self.key or _texts(self.key) == _texts(incident.key))

    def about(self) -> tuple[str, str, list[str]]:
        """What it is of; two that are about the same replace each other."""
        return self.domain, self.alert, _texts(self.key)


class Silences:
    """All of them; safe to share between threads.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def active(self, now_ms: int) -> list[Silence]:
        """Those that have not ended."""
        with self._store.reading() as connection:
            return _read(connection, now_ms)

    def put(self, silence: Silence, now_ms: int) -> None:
        """Begin one, in place of one about the same; one that ends now lifts that."""
        with self._store.writing() as connection:
            others = [s for s in _read(connection, now_ms) if s.about() != silence.about()]
            kept = [*others, silence] if silence.until_ms > now_ms else others
            value = json.dumps([asdict(each) for each in kept])
            insert = upsert(connection, NOTE).values(key=_NOTE, value=value)
            written = insert.on_conflict_do_update(index_elements=["key"], set_={"value": value})
            connection.execute(written)


def _texts(key: str) -> list[str]:
    """The values of a key as texts: who types one cannot know whether a column has numbers."""
    values = json.loads(key) if key else []
    return [each if isinstance(each, str) else json.dumps(each) for each in values]


def _read(connection: sa.Connection, now_ms: int) -> list[Silence]:
    value = connection.scalar(sa.select(NOTE.c.value).where(NOTE.c.key == _NOTE))
    found = [Silence(**each) for each in json.loads(value or "[]")]
    return [silence for silence in found if silence.until_ms > now_ms]
