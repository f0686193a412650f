"""`penstock check`: is the project sound, before anything of it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.terminal import Json, emit, say

if TYPE_CHECKING:
    from penstock.errors import Problem
    from penstock.project import Project


def check(
    path: Annotated[Path, typer.Argument(help="The project's folder.")] = Path(),
    json: Json = False,
) -> None:
    """Read the project and compile every statement in a throw-away engine.

    Every mistake is found in one run, each with its file, line, cause and what to do. Ends with
    exit code 5 where there is any.
    """
    from penstock.errors import InvalidProjectError
    from penstock.layers.check import look

    started = time.perf_counter()
    project, problems = look(path)
    seconds = time.perf_counter() - started
    if json:
        emit(_document(project, problems, seconds))
        if problems:
            raise typer.Exit(InvalidProjectError.exit_code)
        return
    if problems:
        raise InvalidProjectError(problems)
    print(f"ok: {', '.join(_counts(project))} in {seconds:.1f} s")
    say("next: penstock up" if project.domains else "next: penstock new source --like sample.json")


def _counts(project: Project) -> list[str]:
    counts = {
        "domain": len(project.domains),
        "source": len(project.sources()),
        "relation": len(project.relations()),
        "endpoint": len(project.endpoints()),
        "test": len(project.cases()),
        "check": len(project.checks()),
    }
    counts = {noun: n for noun, n in counts.items() if n or noun == "domain"}
    return [f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in counts.items()]


def _document(project: Project, problems: list[Problem], seconds: float) -> dict[str, object]:
    return {
        "ok": not problems,
        "project": project.name,
        "domains": len(project.domains),
        "sources": len(project.sources()),
        "relations": len(project.relations()),
        "endpoints": len(project.endpoints()),
        "tests": len(project.cases()),
        "seconds": round(seconds, 3),
        "problems": [
            {"file": p.file, "line": p.line, "cause": p.cause, "hint": p.hint} for p in problems
        ],
    }
