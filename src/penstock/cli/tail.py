"""`penstock tail`: the newest rows of a relation, and those that land while one looks."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from penstock import interrupts
from penstock.cli.place import HERE, DataPath, ProjectPath, again, find
from penstock.cli.running import engine_of
from penstock.cli.terminal import Json, emit, say
from penstock.errors import EngineDownError, EngineError, UsageError

if TYPE_CHECKING:
    from penstock.layers.tail import Tail
    from penstock.project import Project, Relation

_POLL = 0.2  # seconds between looks for closed batches
_AWAY = 1.0  # seconds until an engine that does not answer is asked again
_CANCELLED = 394  # what an engine says that is being restarted
_LINES, _TABLE = "JSONEachRow", "PrettyCompactMonoBlock"


def tail(
    relation: Annotated[str, typer.Argument(help="readings or homes/readings.")],
    project: ProjectPath = HERE,
    data: DataPath = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Most rows at first.")] = 10,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="One JSON object a row.")] = False,
    json: Json = False,
) -> None:
    """Show the rows that arrived last; with --follow each that lands from then on, once."""
    from penstock.engine.client import Client
    from penstock.layers.tail import Tail
    from penstock.store.database import Store

    if json and (follow or ndjson):
        raise UsageError("one JSON document has an end", next_step="use --ndjson without --json")
    place = find(project, data)
    found = _pick(place.project, relation)
    client, store = (
        Client(engine_of(project, data, write=True).address),
        Store.of(place.settings, place.data),
    )
    form = _LINES if json or ndjson else _TABLE
    try:
        end = Tail(place.project, found, client, store)
        first = end.newest(limit, form)
        if json:
            _emit(found, first)
        else:
            _write(first)
        if follow:
            _follow(end, form)
    except KeyboardInterrupt:
        say("stopped")
    except BrokenPipeError:
        # Nothing may be flushed to the closed pipe when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        client.close()
        store.close()
    if not follow:
        say(f"next: penstock tail {relation} --follow{again(project, data)}")


def _pick(project: Project, name: str) -> Relation:
    """The relation of a name, with its domain or without while it is the only one."""
    domain, _, word = name.rpartition("/")
    if domain:
        return project.relation(domain, word)
    same = [r for r in project.relations() if r.name == word]
    if len(same) > 1:
        raise UsageError(
            f"{len(same)} domains have a relation {word!r}",
            next_step="name one: " + " or ".join(f"{r.domain}/{r.name}" for r in same),
        )
    if not same:
        from penstock.project.objects import nearest

        known = [r.name for r in project.relations()]
        near = nearest(word, known)
        raise UsageError(
            f"there is no relation called {word!r}",
            next_step=f"did you mean {near!r}?" if near else f"known: {', '.join(known)}",
        )
    return same[0]


def _follow(end: Tail, form: str) -> None:
    """Write what lands until somebody stops it; an engine that restarts is waited for."""
    away = False
    while not interrupts.seen():
        try:
            for rows in end.landed(form):
                _write(rows)
            away = False
            time.sleep(_POLL)
        except EngineError as error:
            if not isinstance(error, EngineDownError) and error.code != _CANCELLED:
                raise
            if not away:
                say("the engine does not answer; waiting for it (Ctrl-C ends)")
            away = True
            time.sleep(_AWAY)
    raise KeyboardInterrupt


def _write(rows: bytes) -> None:
    sys.stdout.buffer.write(rows)
    sys.stdout.buffer.flush()


def _emit(relation: Relation, rows: bytes) -> None:
    import json

    lines = [json.loads(line) for line in rows.splitlines()]
    emit({"relation": f"{relation.domain}/{relation.name}", "rows": lines})
