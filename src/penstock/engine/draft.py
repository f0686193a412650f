"""A draft: a throw-away engine in a process of its own, where statements are tried first.

What a project's files mean in the engine's own words, and whether a plan arrives there, is found
out here, on empty tables. It is a process of its own because chDB runs one engine a process, and
because what it takes of memory goes back with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from penstock.engine.scratch import Scratch
from penstock.errors import EngineDownError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

    Statement = tuple[str, str]  # database, SQL


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        refused: index of a statement → what the engine said about it.
        unmade: those of `there` that could not be made, such as a view whose table is gone.
        rows: of the question that was asked at the end.
    """

    refused: dict[int, str]
    unmade: list[Statement]
    rows: list[dict[str, Any]]


class Draft:
    """A context manager around the process; it is gone when the block ends."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "penstock.engine.draft"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        child = self._child
        if child is not None:
            child.kill()
            child.communicate()

    def run(
        self,
        databases: Iterable[str],
        statements: Sequence[Statement],
        question: str,
        *,
        there: Sequence[Statement] = (),
    ) -> Outcome:
        """Start from nothing, make what is there, run statements, and ask.

        Args:
            databases: to work in; they are empty at the start of each run.
            statements: in order; a refused one does not stop the others.
            question: a query, asked at the end.
            there: made first, in whatever order works; what the engine does not take is left out.

        Raises:
            EngineDownError: the process ended.
        """
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise EngineDownError("the draft has not been started")
        asked = {
            "databases": sorted(databases),
            "there": list(there),
            "statements": list(statements),
            "question": question,
        }
        try:
            child.stdin.write(json.dumps(asked) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise EngineDownError(
                "the throw-away engine ended", next_step="`penstock doctor` checks the machine"
            )
        answer = json.loads(line)
        refused = {int(k): v for k, v in answer["refused"].items()}
        return Outcome(refused, [(d, sql) for d, sql in answer["unmade"]], answer["rows"])


def _run(engine: Scratch, asked: dict[str, Any]) -> dict[str, Any]:
    for database in asked["databases"]:
        engine.execute(f"DROP DATABASE IF EXISTS `{database}` SYNC")
        engine.execute(f"CREATE DATABASE `{database}`")
    waiting = _made(engine, asked["there"])
    refused = {}
    for index, statement in enumerate(asked["statements"]):
        refused[index] = _refusal(engine, statement)
        waiting = _made(engine, waiting)  # a view whose table came to be only now
    return {
        "refused": {i: why for i, why in refused.items() if why},
        "unmade": waiting,
        "rows": engine.rows(asked["question"]),
    }


def _made(engine: Scratch, waiting: list[Any]) -> list[Any]:
    """Run statements in whatever order works; what is left cannot be made yet."""
    while waiting:
        left = [s for s in waiting if _refusal(engine, s)]
        if len(left) == len(waiting):
            break
        waiting = left
    return waiting


def _refusal(engine: Scratch, statement: Sequence[str]) -> str:
    """Run a statement in its database; what the engine says against it, or an empty text."""
    database, sql = statement
    try:
        if database:
            engine.execute(f"USE `{database}`")
        engine.execute(sql)
    except EngineError as error:
        return error.what
    return ""


def main() -> None:
    """The process: a request a line on standard input, an answer a line on standard output."""
    with Scratch() as engine:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(_run(engine, json.loads(line))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
