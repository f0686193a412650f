"""`penstock test`: rows in, rows out, on the real engine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import ProjectPath
from penstock.cli.terminal import Json, emit, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.project import Project
    from penstock.project.cases import Case
    from penstock.testing import Outcome

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Tests or domains to run: hourly, homes/hourly, homes; else all."),
]


def test(names: Names = None, project: ProjectPath = Path(), json: Json = False) -> None:
    """Run tests/*.toml of the project, each in a clean state of a throw-away engine.

    Ends with exit code 4 where one fails.
    """
    from penstock.errors import ExpectationError
    from penstock.project import load
    from penstock.testing import run

    started = time.perf_counter()
    loaded = load(project)
    outcomes: list[Outcome] = []
    for outcome in run(loaded, _chosen(loaded, names or ())):
        outcomes.append(outcome)
        if not json:
            _report(outcome, loaded.root)
    failed = [o for o in outcomes if o.failures]
    seconds = time.perf_counter() - started
    if json:
        emit(_document(loaded, outcomes, seconds))
    else:
        _sum_up(len(outcomes), failed, seconds, project)
    if failed:
        raise typer.Exit(ExpectationError.exit_code)


def _chosen(project: Project, names: Sequence[str]) -> list[Case]:
    """The tests that are named, in order, or all of them."""
    from penstock.errors import UsageError
    from penstock.project.objects import nearest

    every = project.cases()
    known = {word: None for case in every for word in _words(case)}
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"there is no test called {name!r}",
                next_step=f"did you mean {near!r}?" if near else f"known: {', '.join(known)}",
            )
    return [case for case in every if not names or set(names) & set(_words(case))]


def _words(case: Case) -> tuple[str, str, str]:
    return case.name, case.domain, f"{case.domain}/{case.name}"


def _report(outcome: Outcome, root: Path) -> None:
    case = outcome.case
    print(f"{'FAIL' if outcome.failures else 'ok':<4}  {case.domain}/{case.name}", end="")
    print(f"  {outcome.seconds:.2f} s" + (f"  {case.description}" if case.description else ""))
    for failure in outcome.failures:
        print(f"  {case.path.relative_to(root).as_posix()}:{failure.line}")
        print("\n".join(f"    {line}".rstrip() for line in failure.what.splitlines()))


def _sum_up(count: int, failed: Sequence[Outcome], seconds: float, project: Path) -> None:
    noun = "test" if count == 1 else "tests"
    print(f"{count} {noun}: {count - len(failed)} ok, {len(failed)} failed in {seconds:.1f} s")
    where = "" if project == Path() else f" --project {project}"
    if failed:
        case = failed[0].case
        say(f"next: mend it, then penstock test {case.domain}/{case.name}{where}")
    elif count:
        say("next: penstock up" + where)
    else:
        say("next: write <domain>/tests/<name>.toml; docs/testing.md shows one")


def _document(project: Project, outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    failed = sum(1 for o in outcomes if o.failures)
    return {
        "ok": not failed,
        "project": project.name,
        "passed": len(outcomes) - failed,
        "failed": failed,
        "seconds": round(seconds, 3),
        "tests": [
            {
                "domain": o.case.domain,
                "name": o.case.name,
                "file": o.case.path.relative_to(project.root).as_posix(),
                "description": o.case.description,
                "ok": not o.failures,
                "seconds": round(o.seconds, 3),
                "failures": [{"line": f.line, "what": f.what} for f in o.failures],
            }
            for o in outcomes
        ],
    }
