"""What a page shows of a relation: how large it is, its columns, a few of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from penstock.errors import EngineDownError, EngineError
from penstock.layers.statements import fill, load
from penstock.project.lexer import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock.engine.client import Client
    from penstock.project.objects import Relation

_ROWS = 5  # of a sample
_WIDEST = 300  # characters of one value in it
_BATCHES = 3  # that count as the newest
# A view may be as slow as it likes for those who ask it; a look at it may not.
_BOUNDS = {"max_execution_time": "2", "output_format_json_quote_64bit_integers": "0"}
_STATE = "AggregateFunction("  # of the engine: bytes that only it can read
_NEWEST = {"_batch", "_ingested_at"}


class Size(NamedTuple):
    """Of one table: rows and bytes on the disk, before merges have made one of many."""

    rows: int
    bytes: int


class Mark(NamedTuple):
    """The newest batch that is known, and when its rows arrived, epoch milliseconds."""

    batch: int
    ingested_ms: int


def sizes(databases: Iterable[str], client: Client) -> dict[tuple[str, str], Size]:
    """(database, table) → how large it is; one query for all of them.

    Raises:
        EngineError: refused. EngineDownError: not reached.
    """
    named = "[" + ",".join(map(literal, databases)) + "]"
    rows = client.rows(load("relation_sizes"), params={"databases": named})
    return {(r["database"], r["name"]): Size(int(r["rows"]), int(r["bytes"] or 0)) for r in rows}


def columns(relation: Relation, client: Client) -> list[dict[str, str]]:
    """Columns in order: name, type, kind (`DEFAULT`, `MATERIALIZED`, …), comment.

    Raises:
        EngineError: refused. EngineDownError: not reached.
    """
    names = {"database": relation.database, "table": relation.name}
    return client.rows(load("relation_columns"), params=names)


def sample(
    relation: Relation, of: Sequence[Mapping[str, str]], client: Client, mark: Mark | None
) -> dict[str, Any]:
    """A few rows: `columns`, `rows` of texts or null, `note` where there is none and why.

    `newest` says whether they are those that came last; else they are any.

    Args:
        relation: whose rows.
        of: its columns.
        client: to the engine.
        mark: whose rows and those after it are the newest; None where nothing is known.

    Raises:
        EngineDownError: not reached.
    """
    names = [one["name"] for one in of if one["kind"] not in {"MATERIALIZED", "ALIAS"}]
    shown = ", ".join(_shown(one) for one in of if one["name"] in names)
    words = {"columns": shown, "relation": quoted(relation.name)}
    time = next((quoted(c["name"]) for c in of if c["type"].startswith("Date")), "")
    ways = ["relation_sample"]
    if time and relation.main_kind == "table":
        ways.insert(0, "relation_latest")
    if mark is not None and set(names) >= _NEWEST:
        ways.insert(0, "relation_newest")
    told: dict[str, Any] = {"columns": names, "rows": [], "newest": False, "note": ""}
    for way in ways:  # one that takes too long leaves it to the next
        try:
            found = _ask(way, relation, {**words, "time": time}, client, mark)
        except EngineDownError:
            raise
        except EngineError as error:
            told["note"] = error.what
            continue
        if found:
            return {**told, "rows": found, "newest": way != "relation_sample", "note": ""}
        told["note"] = "it has no rows yet"
    return told


def _ask(
    statement: str, relation: Relation, words: Mapping[str, str], client: Client,
    mark: Mark | None,
) -> list[list[str | None]]:  # fmt: skip
    params = {"limit": str(_ROWS)}
    if mark is not None:
        batch = max(mark.batch - _BATCHES, 0)
        params |= {"batch": str(batch), "since_ms": str(mark.ingested_ms - 60_000)}
    body = client.fetch(
        fill(statement, **words), "JSONCompactEachRow",
        database=relation.database, params=params, settings=_BOUNDS,
    )  # fmt: skip
    return [[_cut(value) for value in msgspec.json.decode(line)] for line in body.splitlines()]


def _shown(column: Mapping[str, str]) -> str:
    name = quoted(column["name"])
    return f"finalizeAggregation({name}) AS {name}" if column["type"].startswith(_STATE) else name


def _cut(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _WIDEST else text[:_WIDEST] + "…"
