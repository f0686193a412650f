"""Replays of dead letters for a platform: asked for by a command, or gone on with at a start."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from penstock.errors import (
    BadInputError,
    EngineError,
    LandingBlockedError,
    PenstockError,
    RefusedChangeError,
    UsageError,
)
from penstock.layers.apply import alone
from penstock.layers.conservation import compare
from penstock.layers.judging import Asked
from penstock.layers.reconcile import by_silver
from penstock.layers.replay import Replayer
from penstock.project.objects import nearest
from penstock.runtime.audit import has_rebooted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from penstock.layers.conservation import Difference
    from penstock.layers.judging import Verdict
    from penstock.layers.landing import Lander
    from penstock.runtime.changes import Changes
    from penstock.store.replays import Replays

_HOUR = 3600  # a deduplication window holds an hour of inserts: `penstock check` sees to it
_log = structlog.get_logger(__name__)


@dataclass
class Progress:
    """How far a replay is, or how the last one ended, for people who look meanwhile.

    Attributes:
        running: whether one runs.
        runs: how many have ended since the start.
        source: that was asked for; empty is all.
        reason: what reasons had to start with.
        landed: records so far.
        stay: records that were looked at and stay dead letters; known at the end.
        began_ms: epoch milliseconds; 0 before the first.
        ended_ms: epoch milliseconds; 0 while it runs.
        error: why it did not come to its end.
    """

    running: bool = False
    runs: int = 0
    source: str = ""
    reason: str = ""
    landed: int = 0
    stay: int = 0
    began_ms: int = 0
    ended_ms: int = 0
    error: str = ""


@dataclass
class Replaying:
    """The replays of one platform, one at a time.

    Attributes:
        changes: of its database: the project as it is applied, its landers, ledger and journal.
        replays: in the ledger.
        changed: told which tables a replay has changed.
        stopping: whether the platform is being stopped.
        still: held while a chunk is landed: who counts what is stored waits for it.
    """

    changes: Changes
    replays: Replays
    changed: Callable[[tuple[str, ...]], None]
    stopping: Callable[[], bool]
    still: threading.Lock = field(default_factory=threading.Lock)
    progress: Progress = field(default_factory=Progress, init=False)
    _busy: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stuck: str = field(default="", init=False)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """While this holds, no other replay is begun: whoever asks is refused, and waits for none.

        Raises:
            RefusedChangeError: another one runs.
        """
        if not self._busy.acquire(blocking=False):
            raise RefusedChangeError(
                "a replay of dead letters runs",
                next_step="GET /v1/dead-letters/replay says how far it is",
            )
        try:
            yield
        finally:
            self._busy.release()

    def outlook(self) -> dict[str, Any]:
        """What would become of all dead letters, as `run` tells it; nothing is gone on with.

        Raises:
            RefusedChangeError: an apply or a replay was cut short, or a view would get records
                twice.
            DataDirTakenError: another process is applying.
        """
        with alone(self.changes.journal):
            self._refuse_half_applied()
            if self.replays.unfinished() is not None:
                raise RefusedChangeError(
                    "a replay was cut short: what it left open is gone on with first",
                    next_step="penstock dead-letters replay",
                )
            which = self._which({})
            found = {
                _name(each): self._replayer(each).outlook(which) for each in self.changes.landers
            }
        return _document(found, which.upto, landed=False)

    def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Land dead letters again that are good by now; an open replay is gone on with first.

        Args:
            asked: `source` (`readings` or `homes/readings`; empty is all), `reason` (its start),
                `upto` (the newest batch looked at), `look` (land no others), and `project`, the
                folder that is meant.

        Returns:
            `good`, `stay`, `landed`, `upto`, and each source with the fates of its dead letters.

        Raises:
            UsageError: no such source, or another project runs.
            BadInputError: `upto` is no whole number.
            RefusedChangeError: an apply was cut short, or a view would get records twice.
            DataDirTakenError: another process is applying.
            LandingBlockedError: the engine does not take them.
        """
        self._refuse_other(asked)
        landers = self._wanted(str(asked.get("source", "")))
        with alone(self.changes.journal):
            self._refuse_half_applied()
            which = self._which(asked)
            with self.still:
                for lander in self.changes.landers:
                    self._replayer(lander).resume()
            self._stuck = ""
            look = bool(asked.get("look"))
            if look:
                found = {_name(each): self._replayer(each).outlook(which) for each in landers}
            else:
                with self._shown(asked) as progress:
                    found = {
                        _name(each): self._replayer(each, still=self.still).run(which)
                        for each in landers
                    }
                    progress.stay = sum(verdict.stay for verdict in found.values())
        return _document(found, which.upto, landed=not look)

    def _refuse_half_applied(self) -> None:
        if self.changes.journal.unfinished() is not None:
            raise RefusedChangeError(
                "an apply was cut short: dead letters are not replayed in the middle of it",
                next_step="go on with it first: penstock apply",
            )

    def _which(self, asked: Mapping[str, Any]) -> Asked:
        upto = asked.get("upto") or self.changes.ledger.last_batch()
        if not isinstance(upto, int):
            raise BadInputError(
                400, "Bad parameter", "upto is no whole number",
                next_step="the number of a batch, as an answer before has it",
            )  # fmt: skip
        opened = tuple(intent.batch for intent in self.changes.ledger.open_intents())
        return Asked(str(asked.get("reason", "")), upto, opened)

    @contextmanager
    def _shown(self, asked: Mapping[str, Any]) -> Iterator[Progress]:
        """While this holds, a replay shows as running; then, how it ended."""
        source, reason = str(asked.get("source", "")), str(asked.get("reason", ""))
        self.progress = progress = Progress(
            running=True, runs=self.progress.runs, source=source, reason=reason,
            began_ms=time.time_ns() // 1_000_000,
        )  # fmt: skip
        try:
            yield progress
        except PenstockError as error:
            progress.error = f"{error.what}; {error.next_step}" if error.next_step else error.what
            raise
        except BaseException as error:  # nobody may read of it that it came to its end
            progress.error = f"{type(error).__name__}: {error}; the log says where"
            raise
        finally:
            progress.ended_ms, progress.running = time.time_ns() // 1_000_000, False
            progress.runs += 1

    def _count(self, rows: int) -> None:
        self.progress.landed += rows

    def resume(self) -> None:
        """Go on with a replay that a crash cut short; where that fails, it is shown as a problem.

        Its batches are left out by whoever counts; nothing else has to wait for it.
        """
        rebooted = has_rebooted(self.changes.ledger)
        for lander in self.changes.landers:
            try:
                with self.still:
                    self._replayer(lander).resume(rebooted=rebooted)
            except (EngineError, LandingBlockedError) as error:
                self._stuck = f"{error.what}; {error.next_step}"
                _log.error("replay_blocked", source=_name(lander), reason=error.what)

    def settle(self, seconds: float) -> None:
        """Wait until no chunk is being landed; none is begun while the platform is stopping."""
        if self.still.acquire(timeout=seconds):
            self.still.release()

    def problems(self) -> list[dict[str, str | int]]:
        """What keeps a replay from its end, as one line of a status."""
        if not self._stuck:
            return []
        return [{"file": "dead letters", "line": 0, "cause": self._stuck, "hint": ""}]

    def _replayer(self, lander: Lander, still: threading.Lock | None = None) -> Replayer:
        project = self.changes.project
        replayer = Replayer(
            lander,
            self.replays,
            lambda: self._golds(lander),
            int(project.inserts_per_second * _HOUR),
            self.changed,
        )
        replayer.stopping, replayer.landed = self.stopping, self._count
        if still is not None:
            replayer.still = still
        return replayer

    def _golds(self, lander: Lander) -> list[Difference]:
        """Differences between the silver of a source and its golds, with its landing held."""
        group = next(g for g in by_silver(self.changes.landers) if lander in g)
        with ExitStack() as held:
            for each in group:
                held.enter_context(each.hold)
            found = compare(self.changes.project, group, lander.client, self.changes.ledger)
        return found.differences

    def _refuse_other(self, asked: Mapping[str, Any]) -> None:
        root = str(self.changes.project.root)
        if asked.get("project", root) != root:
            raise UsageError(
                f"the running platform serves {root}, not {asked['project']}",
                next_step=f"penstock dead-letters replay --project {root}",
            )

    def _wanted(self, source: str) -> list[Lander]:
        """The landers of a source's name, or all. Raises UsageError where there is none."""
        landers = self.changes.landers
        wanted = [each for each in landers if source in ("", _name(each), each.source.name)]
        if source and len(wanted) != 1:
            known = sorted(map(_name, landers))
            near = nearest(source, [*known, *(each.source.name for each in landers)])
            how_many = "more than one source is" if wanted else "there is no source"
            raise UsageError(
                f"{how_many} called {source!r}",
                next_step=f"did you mean {near!r}?"
                if near and not wanted
                else f"known: {', '.join(known) or 'none'}",
            )
        return wanted


def _name(lander: Lander) -> str:
    return f"{lander.source.domain}/{lander.source.name}"


def _document(found: Mapping[str, Verdict], upto: int, *, landed: bool) -> dict[str, Any]:
    sources = [
        {
            "source": name,
            "good": verdict.good,
            "stay": verdict.stay,
            "fates": [asdict(fate) for fate in verdict.fates.values()],
        }
        for name, verdict in found.items()
    ]
    good = sum(verdict.good for verdict in found.values())
    stay = sum(verdict.stay for verdict in found.values())
    return {
        "upto": upto,
        "good": good,
        "stay": stay,
        "landed": good if landed else 0,
        "sources": sources,
    }
