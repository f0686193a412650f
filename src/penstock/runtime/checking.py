"""Checking: every check of the data is run now and then, and its results are kept and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from penstock.checks.run import run
from penstock.errors import PenstockError

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from penstock.engine.client import Client
    from penstock.project.objects import Endpoint, Project
    from penstock.store.check_results import CheckResults, Result

_FIRST = 30.0  # seconds after the start: what was waiting has landed by then
_SHOWN = 60  # results of a check that show how it went
_log = structlog.get_logger(__name__)


@dataclass
class Checking:
    """The checks of a platform.

    Attributes:
        project: whose they are; may be replaced while it runs.
        client: to the engine.
        results: in the store.
        every: seconds between two rounds; 0 runs none.
        stop: is set when it is to end.
    """

    project: Project
    client: Client
    results: CheckResults
    every: float
    stop: threading.Event
    _kept: int = 0
    _made: tuple[int, Project, dict[str, Any]] | None = None

    def run(self) -> None:
        """Check until told to stop: a thread's whole life."""
        pause = min(_FIRST, self.every)
        while self.every and not self.stop.wait(pause):
            pause = self.every
            for check in self.project.checks():
                if self.stop.is_set():
                    return
                try:
                    self.results.keep([run(check, self.client)])
                except PenstockError as error:  # the engine or the store is away: the next round
                    _log.warning("check_not_run", check=check.name, reason=error.what)
            self._kept += 1

    def document(self) -> dict[str, Any]:
        """Checks, their newest results and how those before ended, as JSON."""
        kept, project = self._kept, self.project
        if self._made is None or self._made[0] != kept or self._made[1] is not project:
            # Asked for each second by every page, and another one only after a round.
            newest, recent = self.results.newest(), self.results.recent(_SHOWN)
            checks = [self._document(check, newest, recent) for check in project.checks()]
            self._made = kept, project, {"every_s": self.every, "checks": checks}
        return self._made[2]

    def _document(
        self,
        check: Endpoint,
        newest: Mapping[tuple[str, str], Result],
        recent: Mapping[tuple[str, str], list[Result]],
    ) -> dict[str, Any]:
        result = newest.get((check.domain, check.name))
        ruled, _, _ = check.name.partition(".")
        return {
            "domain": check.domain,
            "name": check.name,
            "relation": ruled if "." in check.name else next(iter(check.reads), ""),
            "description": check.header.description,
            "file": check.path.relative_to(self.project.root).as_posix(),
            "line": check.line,
            "sql": check.sql,
            "database": check.database,
            "history": [
                {"at_ms": r.at_ms, "state": r.state, "failures": r.failures, "took_ms": r.took_ms}
                for r in reversed(recent.get((check.domain, check.name), []))
            ],
            "state": result.state if result else "waiting",
            "failures": result.failures if result else 0,
            "sample": result.sample if result else [],
            "at_ms": result.at_ms if result else 0,
            "took_ms": result.took_ms if result else 0,
            "error": result.error if result else "",
        }
