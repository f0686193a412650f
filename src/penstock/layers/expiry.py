"""What a count may still find: batches older than a table's TTL may be gone, whole or in part."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from penstock.project.retention import kept_ms

if TYPE_CHECKING:
    from penstock.project.objects import Project, Relation
    from penstock.store.ledger import Ledger

_SLACK_MS = 3_600_000  # between two clocks, and between a count and the judgement of it


class Counted(NamedTuple):
    """Rows of one batch as the engine has them: in bronze, good ones of these, and in silver."""

    rows: int
    good: int
    silver: int


@dataclass(frozen=True, slots=True)
class Expiry:
    """When rows of a source's bronze and 1:1 silver may go.

    Attributes:
        bronze_ms: for how long bronze keeps a row after its arrival; None for ever.
        silver_ms: the same of silver.
    """

    bronze_ms: int | None = None
    silver_ms: int | None = None

    @classmethod
    def of(cls, bronze: Relation, silver: Relation) -> Self:
        """As the tables' own TTL clauses say."""
        return cls(kept_ms(bronze), kept_ms(silver))

    def bronze(self, ingested_ms: int) -> bool:
        """Whether bronze may have dropped rows of a batch that arrived then."""
        return _past(self.bronze_ms, ingested_ms)

    def silver(self, ingested_ms: int) -> bool:
        """Whether silver may have dropped rows of a batch that arrived then."""
        return _past(self.silver_ms, ingested_ms)

    def bronze_since_ms(self) -> int:
        """The time of arrival since when bronze keeps all rows, epoch milliseconds."""
        return _since(self.bronze_ms)

    def bronze_right(self, rows: int, ingested_ms: int, found: Counted) -> bool:
        """Whether bronze holds as many rows of a batch as it must, at its age."""
        return found.rows == rows or (found.rows < rows and self.bronze(ingested_ms))

    def silver_right(self, good: int, ingested_ms: int, found: Counted) -> bool:
        """Whether silver holds as many rows of a batch as it must, at its age."""
        return found.silver == good or (found.silver < good and self.silver(ingested_ms))

    def good_of(
        self, rows: int, ingested_ms: int, found: Counted, judged: int | None = None
    ) -> int | None:
        """Good rows of a batch that is stored whole; None where it is not.

        Args:
            rows: of the batch.
            ingested_ms: when it arrived.
            found: in the engine.
            judged: good ones by the records themselves, where bronze has let rows go.
        """
        good = found.good if found.rows == rows else judged
        if good is None or not self.bronze_right(rows, ingested_ms, found):
            return None
        return good if self.silver_right(good, ingested_ms, found) else None


def since_ms(relation: Relation) -> int:
    """When rows arrived that its table is sure to hold for a while yet; 0 where it lets none go."""
    return _since(kept_ms(relation))


def lost(project: Project, ledger: Ledger) -> frozenset[str]:
    """Tables, as `database.name`, that may have let go of rows, as the oldest batch is so old."""
    oldest: dict[str, int] = {}
    for stream in ledger.streams():
        for batch in ledger.batches(stream.id, limit=1):
            known = oldest.get(stream.domain, batch.ingested_ms)
            oldest[stream.domain] = min(known, batch.ingested_ms)
    return frozenset(
        f"{relation.database}.{relation.name}"
        for relation in project.relations()
        if relation.domain in oldest and oldest[relation.domain] < since_ms(relation)
    )


def _past(kept: int | None, ingested_ms: int) -> bool:
    return ingested_ms < _since(kept)


def _since(kept: int | None) -> int:
    if kept is None:
        return 0
    return int(time.time() * 1000) - kept + min(_SLACK_MS, kept // 10)
