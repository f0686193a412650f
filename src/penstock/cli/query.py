"""`penstock query`: one statement against the running engine, with any format."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath
from penstock.errors import EngineDownError, EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SYNTAX, _READONLY, _DENIED = 62, 164, 497
_VERBS = ("SELECT", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN", "WITH", "INSERT", "CREATE", "ALTER")


def query(
    sql: Annotated[str, typer.Argument(help="The statement; - reads standard input.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    output: Annotated[str, typer.Option("--format", help="ClickHouse format.")] = "PrettyCompact",
    database: Annotated[str, typer.Option(help="Where unqualified names are looked up.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Send the key: allow changes.")] = False,
) -> None:
    """Run a statement; without --write only reading is allowed."""
    from penstock.cli.running import engine_of
    from penstock.engine.client import Client

    text = sys.stdin.read() if sql == "-" else sql
    if not text.strip():
        raise UsageError("the statement is empty", next_step="penstock query 'SELECT 1'")
    engine = engine_of(project, data, write=write)
    found = engine.project()
    domains = found.domains if found else ()
    database = database or (domains[0].database if domains else "")
    try:
        answer = Client(engine.address).fetch(text, output, database=database)
    except EngineDownError:
        raise
    except EngineError as error:
        known = [relation.name for domain in domains for relation in domain.relations]
        raise _told(error, text, known, write=write) from error
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()


def _told(error: EngineError, sql: str, known: Sequence[str], *, write: bool) -> EngineError:
    """What the engine said, as short as `penstock check` says it, and what to do."""
    from penstock.layers.refusals import Asked, problem
    from penstock.project.objects import nearest

    found = problem(error, Asked("", 1, sql, ()), known)
    what, next_step = found.cause, found.hint
    verb = sql.split(maxsplit=1)[0].upper()
    if error.code == _SYNTAX and verb not in _VERBS and (near := nearest(verb, _VERBS)):
        next_step = f"did you mean {near}?"
    if error.code == _READONLY and not write:
        what = "without the key only reading is allowed: SELECT, SHOW, DESCRIBE, EXISTS, EXPLAIN"
    if error.code in {_READONLY, _DENIED} and not write:
        next_step = "penstock query --write '…' sends the key, with which more is allowed"
    where = f"line {found.line}" if "\n" in sql.strip() else ""
    return EngineError(what, code=error.code, where=where, next_step=next_step)
