"""`penstock check`: is the project sound, before anything of it runs."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import HERE, ProjectPath, again, home
from penstock.cli.terminal import Json, emit, say, table
from penstock.errors import ExpectationError, InvalidProjectError, UsageError

if TYPE_CHECKING:
    from penstock.errors import Problem
    from penstock.project import Project


def check(
    path: Annotated[Path | None, typer.Argument(help="The project's folder.")] = None,
    project: ProjectPath = HERE,
    data: Annotated[
        bool, typer.Option("--data", help="Check the data of the running platform instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Read the project and compile every statement in a throw-away engine.

    Every mistake is found in one run, each with its file, line, cause and what to do. Ends with
    exit code 5 where there is any. With --data its checks (checks/*.sql and the rules in headers)
    are run on what is stored: exit code 4 where one fails.
    """
    from penstock.layers.check import look

    if data:
        _data(path or project, json=json)
        return

    if path is not None and project not in {HERE, path}:
        raise UsageError(
            f"two projects are named: {path} and {project}", next_step=f"penstock check {path}"
        )
    named = path or project
    started = time.perf_counter()
    found, problems = look((home(HERE) or HERE) if named == HERE else named)
    seconds = time.perf_counter() - started
    if json:
        emit(_document(found, problems, seconds))
        if problems:
            raise typer.Exit(InvalidProjectError.exit_code)
        return
    if problems:
        raise InvalidProjectError(problems)
    print(f"ok: {', '.join(_counts(found))} in {seconds:.1f} s")
    then = "up" if found.domains else "new source --like sample.json"
    say(f"next: penstock {then}{again(named)}")


def _data(project: Path, *, json: bool) -> None:
    """Run the checks of a project on the data of its running platform."""
    from dataclasses import asdict

    from penstock.checks.run import run
    from penstock.cli.place import find
    from penstock.cli.running import engine_of
    from penstock.engine.client import Client

    client = Client(engine_of(project, None).address)
    found = [run(check, client) for check in find(project).project.checks()]
    if json:
        emit({"ok": all(r.state == "passed" for r in found), "checks": list(map(asdict, found))})
    else:
        rows = [
            {"check": f"{r.domain}/{r.name}", "state": r.state, "failures": r.failures,
             "for example": r.error or next(iter(r.sample), "")}
            for r in found
        ]  # fmt: skip
        table(rows, ["check", "state", "failures", "for example"])
    if any(r.state != "passed" for r in found):
        raise typer.Exit(ExpectationError.exit_code)
    say(f"next: penstock status{again(project)}")


def _counts(project: Project) -> list[str]:
    counts = {
        "domain": len(project.domains),
        "source": len(project.sources()),
        "relation": len(project.relations()),
        "endpoint": len(project.endpoints()),
        "test": len(project.cases()),
        "check": len(project.checks()),
        "alert": len(project.alerts()),
        "dashboard": len(project.dashboards()),
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
        "dashboards": len(project.dashboards()),
        "seconds": round(seconds, 3),
        "problems": [
            {"file": p.file, "line": p.line, "cause": p.cause, "hint": p.hint} for p in problems
        ],
    }
