"""Judging dead letters anew: what of them would be good by bronze's `_error` as it is now.

They are copied, a chunk at a time, into a Memory table made like bronze, whose own expressions then
judge the copies; bronze itself is not touched.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from penstock.errors import RefusedChangeError
from penstock.layers.statements import fill, load
from penstock.project import lexer, queries
from penstock.project.table_rules import BRONZE_COLUMNS
from penstock.store.records import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from penstock.engine.client import Client
    from penstock.layers.landing import Lander, Target
    from penstock.project.lexer import Token

CHUNK_ROWS = 50_000
"""Most records of a chunk: what is landed again is one block, named position by position."""

_CHUNK_BYTES = 32 * 1024 * 1024
_WRAP = 2**64

COLUMNS = ", ".join(BRONZE_COLUMNS)
"""The columns of a record as received; the others follow from them."""

HASH = (
    "sipHash64(_part, _pos, _batch, _ingested_at, _null, _key, _raw, toString(_headers),"
    " ifNull(toString(_sent_at), ''))"
)
"""A number of one record; the sum of many is their fingerprint, whatever their order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which dead letters of a source are meant.

    Attributes:
        reason: what their reason starts with; empty means all.
        upto: the newest batch looked at.
        open: batches up to it that are being landed; they are left out.
    """

    reason: str = ""
    upto: int = 0
    open: tuple[int, ...] = ()


@dataclass(slots=True)
class Fate:
    """What becomes of dead letters of one reason.

    Attributes:
        reason: they have now, without its detail.
        now: the reason they would have; empty where they would be good.
        rows: how many they are.
        part: of the first of them.
        pos: of the first of them.
        error: of the first of them, whole, as it would be.
    """

    reason: str
    now: str
    rows: int
    part: int
    pos: int
    error: str


@dataclass(slots=True)
class Verdict:
    """What becomes of a source's dead letters, by the reason they have and would have."""

    fates: dict[tuple[str, str], Fate] = field(default_factory=dict)

    @property
    def good(self) -> int:
        """Records that are good now."""
        return sum(fate.rows for fate in self.fates.values() if not fate.now)

    @property
    def stay(self) -> int:
        """Records that stay dead letters."""
        return sum(fate.rows for fate in self.fates.values() if fate.now)

    def add(self, fates: Iterable[Fate]) -> None:
        """Add those of the next chunk; the examples of the first one stay."""
        for fate in fates:
            known = self.fates.setdefault((fate.reason, fate.now), fate)
            if known is not fate:
                known.rows += fate.rows


@dataclass(frozen=True, slots=True)
class Chunk:
    """Judged dead letters, in the order of their positions.

    Attributes:
        fates: of all of them.
        spans: positions of those that are good now.
        batches: batch → how many of these came in it.
        fingerprint: of these.
    """

    fates: tuple[Fate, ...]
    spans: tuple[Span, ...]
    batches: dict[int, int]
    fingerprint: str


def chunks(lander: Lander, asked: Asked) -> Iterator[Chunk]:
    """Judge a source's dead letters, a chunk at a time; what comes and goes meanwhile is no matter.

    Records that bronze may drop by age any moment are left out.
    """
    target, client = lander.target, lander.client
    since_ms = target.expiry.bronze_since_ms()
    part, pos = 0, -1
    with like_bronze(client, target, "replay") as apart:
        judged = f"`{apart.bronze}`"
        client.execute(f"ALTER TABLE {judged} ADD COLUMN _was String", database=target.database)
        while True:
            client.execute(f"TRUNCATE TABLE {judged}", database=target.database)
            client.execute(
                fill(
                    "replay_judge",
                    judged=judged,
                    bronze=f"`{target.bronze}`",
                    columns=COLUMNS,
                    letters=load("replay_next"),
                ),
                database=target.database,
                params={
                    "source": lander.source.name,
                    "reason": asked.reason,
                    "part": str(part),
                    "pos": str(pos),
                    "upto": str(asked.upto),
                    "open": str(list(asked.open)),
                    "since_ms": str(since_ms),
                    "rows": str(CHUNK_ROWS),
                    "size": str(_CHUNK_BYTES),
                },
            )
            last = f"SELECT max((_part, _pos)) AS last, count() AS rows FROM {judged}"  # noqa: S608 - checked names
            found = client.rows(last, database=target.database)[0]
            if not int(found["rows"]):
                return
            part, pos = map(int, found["last"])
            yield _chunk(client, target.database, judged)


def refuse_twice_fed(client: Client, target: Target) -> None:
    """Refuse where a view of bronze has taken the dead letters already, as records of any kind.

    A record that is landed again reaches each view once more. One that takes good rows only has
    not had it, one that takes bad rows only does not get it; any other would count it twice.

    Raises:
        RefusedChangeError: there is one; names it.
    """
    params = {"database": target.database, "bronze": target.bronze}
    for view in client.rows(load("replay_views"), params=params):
        if takes_both(view["query"]):
            raise RefusedChangeError(
                f"view {view['name']} takes every record of {target.bronze}, good or bad: what is "
                "replayed would be in it twice",
                next_step="let it take good records only, WHERE _error = '', and apply that",
            )


def takes_both(query: str) -> bool:
    """Whether the SELECT of a view takes good records and bad ones alike, as far as it says."""
    where = queries.clauses(list(lexer.code(query))).get("WHERE", [])
    conditions = {lexer.plain(each) for each in _conjuncts(where)}
    return not conditions & {"_error=''", "_error!=''"}


def _conjuncts(where: Sequence[Token]) -> list[list[Token]]:
    """The conditions that must all hold; one condition where an OR stands between them."""
    deep = lexer.depths(where)
    inner = [index for index, token in enumerate(where) if deep[index] == 0]
    if any(where[index].upper == "OR" for index in inner):
        return [list(where)]
    cuts = [index for index in inner if where[index].upper == "AND"]
    starts, stops = [0, *(index + 1 for index in cuts)], [*cuts, len(where)]
    return [lexer.unwrapped(where[start:stop]) for start, stop in zip(starts, stops, strict=True)]


@contextmanager
def like_bronze(client: Client, target: Target, use: str) -> Iterator[Target]:
    """A Memory table that judges what is put into it as bronze would; dropped at the end.

    Args:
        client: to the engine, with the key.
        target: whose bronze.
        use: tells its name apart from those of others.
    """
    apart = replace(target, bronze=f"{target.bronze}__{use}")
    drop = f"DROP TABLE IF EXISTS `{apart.bronze}`"
    client.execute(drop, database=target.database)
    create = f"CREATE TABLE `{apart.bronze}` AS `{target.bronze}` ENGINE = Memory"
    client.execute(create, database=target.database)
    try:
        yield apart
    finally:
        client.execute(drop, database=target.database)


def _chunk(client: Client, database: str, judged: str) -> Chunk:
    fates = [
        _fate(row) for row in client.rows(fill("replay_fates", judged=judged), database=database)
    ]
    spans: list[Span] = []
    batches: dict[int, int] = {}
    total = 0
    for row in client.rows(fill("replay_good", judged=judged, hash=HASH), database=database):
        spans += positions_as_spans(int(row["part"]), map(int, row["positions"]))
        total += int(row["fingerprint"])
        for batch, rows in row["batches"].items():
            batches[int(batch)] = batches.get(int(batch), 0) + int(rows)
    return Chunk(tuple(fates), tuple(spans), batches, str(total % _WRAP))


def _fate(row: dict[str, Any]) -> Fate:
    rows, part, pos = (int(row[name]) for name in ("rows", "part", "pos"))
    return Fate(row["reason"], row["now"], rows, part, pos, row["error"])


def positions_as_spans(part: int, positions: Iterable[int]) -> Iterator[Span]:
    """Positions in order as ranges."""
    start = stop = -1
    for pos in positions:
        if pos != stop:
            if stop > start:
                yield Span(part, start, stop)
            start = pos
        stop = pos + 1
    if stop > start:
        yield Span(part, start, stop)
