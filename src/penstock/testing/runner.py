"""Runs the tests of a project, each in a clean state of one throw-away engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.testing.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from penstock.project.cases import Case, Expect, Given
    from penstock.project.objects import Project


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that was not as it should be.

    Attributes:
        line: of the test's file, where the [[given]] or [[expect]] starts.
        what: in words; for rows a table of those that differ.
    """

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test went.

    Attributes:
        case: the test.
        seconds: how long it took.
        failures: none where it passed.
    """

    case: Case
    seconds: float
    failures: tuple[Failure, ...]


def run(project: Project, cases: Iterable[Case]) -> Iterator[Outcome]:
    """Run tests one after the other.

    Args:
        project: whose tests they are.
        cases: which of them.

    Raises:
        EngineError: the engine refuses a statement of the project.
    """
    with Sandbox(project) as sandbox:
        for case in cases:
            started = time.perf_counter()
            failures = tuple(_failures(sandbox, case))
            yield Outcome(case, time.perf_counter() - started, failures)


def _failures(sandbox: Sandbox, case: Case) -> Iterator[Failure]:
    sandbox.start(case.now)
    for given in case.given:
        try:
            _give(sandbox, case, given)
        except PenstockError as error:
            yield Failure(given.line, str(error))
            return  # what is expected was expected of all records
    for expect in case.expect:
        try:
            _look(sandbox, case, expect)
        except PenstockError as error:
            yield Failure(expect.line, str(error))


def _give(sandbox: Sandbox, case: Case, given: Given) -> None:
    records = given.file or given.rows
    if records is not None:
        sandbox.given(f"{case.domain}/{given.into}", records, at=given.at)


def _look(sandbox: Sandbox, case: Case, expect: Expect) -> None:
    name = f"{case.domain}/{expect.name}"
    rows, tolerance, schema = expect.rows, expect.tolerance, expect.schema
    if expect.kind == "endpoint":
        order = expect.order is not False
        params = expect.params
        sandbox.expect_answer(
            name, rows, params=params, order=order, tolerance=tolerance, schema=schema
        )
    elif expect.kind in ("check", "alert"):
        order = expect.order is not False
        look = sandbox.expect_check if expect.kind == "check" else sandbox.expect_alert
        look(name, rows or (), params=expect.params, order=order, tolerance=tolerance)
    elif expect.kind == "relation":
        order = bool(expect.order)
        sandbox.expect(name, rows, order=order, tolerance=tolerance, schema=schema)
    else:
        sandbox.expect_dead_letters(name, rows or (), order=bool(expect.order))
