"""Backfill: fills a relation anew from what is stored, while rows go on coming, without a gap.

::

    made beside ─ cut ─▶ slices of what came before the cut ─┐
                   └──▶ its views: what comes after it ──────┴─▶ checked ─▶ put in its place

The cut is a batch: landing stands still between two batches while the views are made, so that each
batch comes either by a slice or by a view. A statement stores some slices as one block under a
token of their own, written down before: a run that was killed goes on with the very same. Landing
stands still three times, for milliseconds: at the cut, when the copy is made that is checked, and
when the tables change places.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from penstock.errors import EngineError
from penstock.layers.beside import Beside
from penstock.layers.equality import unequal
from penstock.layers.expiry import since_ms
from penstock.layers.fillable import sources, time_column
from penstock.layers.statements import load
from penstock.project.lexer import quoted
from penstock.store.backfills import Backfill, Work

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from penstock.engine.client import Client
    from penstock.project.objects import Project, Relation
    from penstock.store.backfills import Backfills

_ATTEMPTS = 5  # failures of one statement before it is given up
_GOAL = 4.0  # seconds that one statement is to take: what a kill costs
_LARGE = 16  # times the rows that surely fit into memory, which the first statement stores
_FASTER = 8.0  # times as many rows as before, at most
_MOST = 64  # slices that one statement stores
_MEMORY = 241  # the engine's own limit
_PAUSE = 1.0  # seconds before the tables are to change places again
_AHEAD_MS = 86_400_000  # a row's time may lie so far after its arrival (`ts_range`)
_log = structlog.get_logger(__name__)


class _TooMuchError(Exception):
    """What one statement was to store does not fit into the engine's memory."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a backfill works with.

    Attributes:
        client: to the engine.
        records: of backfills.
        last_batch: the highest batch that was ever opened.
        quiet: holds all landing between two batches, with none of them open.
        hold: holds all landing, whatever is open.
        engine_starts: how often the engine has been started.
        restart_engine: heals the engine after a failed insert; gets the reason and `starts`.
        stop: is set when it is to end after the slice it is at.
        progress: is told each time that something has been done.
        rows: of a slice that fits into the engine's memory, but for its last batch.
        tight: whether larger ones, or some of them together, have been too much.
    """

    client: Client
    records: Backfills
    last_batch: Callable[[], int]
    quiet: Callable[[], AbstractContextManager[None]]
    hold: Callable[[], AbstractContextManager[None]]
    engine_starts: Callable[[], int]
    restart_engine: Callable[[str, int], None]
    stop: threading.Event
    progress: Callable[[Backfill], None]
    rows: int
    tight: bool = False

    @property
    def slice_rows(self) -> int:
        """Rows of a slice: cutting takes time, and each is a pass over its partition."""
        return self.rows if self.tight else self.rows * _LARGE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be filled.

    Attributes:
        relation: by its file.
        drops: statements for views that its file no longer has.
        carry: whether rows that the source has let go of are taken over from the former table.
    """

    relation: Relation
    drops: tuple[str, ...] = ()
    carry: bool = False


def backfill(project: Project, wanted: Wanted, means: Means) -> None:
    """Fill a relation anew and put it in its place; goes on with what `settle` has left open.

    Raises:
        EngineError: a slice could not be stored, or the new table is not what its source gives,
            or it was stopped; the former one is served as before.
        RefusedChangeError: a batch cannot be landed, so that there is no place for a cut.
    """
    beside = Beside(wanted.relation, means.client)
    try:
        found = _filled(project, wanted, beside, means)
    except _TooMuchError:
        for left in _unfinished(wanted.relation, means):
            _abandon(beside, left, means)
        found = _filled(project, wanted, beside, replace(means, tight=True))
    _check(beside, found, _carried(wanted.relation, found), means)
    with means.quiet():
        found = means.records.turn(found, "placing")
        found = _place(beside, found, means)
    _sweep(beside, found, means)
    _log.info("backfill_placed", relation=found.relation, slices=len(found.work.slices))


def settle(project: Project, means: Means, *, keep: bool = True) -> None:
    """Bring what a crash left to where landing may go on: before its first batch.

    A backfill whose file has changed since is let go of; one that was changing places comes to
    its end; any other waits for the next apply, and its view goes on feeding it.

    Args:
        project: the files.
        means: to work with.
        keep: whether one may wait; False where nobody asks for it any more.
    """
    relations = {f"{r.database}.{r.name}": r for r in project.relations()}
    for found in means.records.unfinished():
        relation = relations.get(found.relation)
        if relation is None:
            _forget(found, means)
            continue
        beside = Beside(relation, means.client)
        if found.state == "placing":  # no batch has come since: landing was held
            with means.hold():
                _sweep(beside, _place(beside, found, means), means)
        elif found.state == "sweeping":
            _sweep(beside, found, means)
        elif found.state == "making" or found.digest != digest(relation) or not keep:
            _abandon(beside, found, means)


def digest(relation: Relation) -> str:
    """Of what a relation's statements say; comments and white space may change freely."""
    words = ["\x1f".join(token.text for token in s.tokens) for s in relation.statements]
    return hashlib.sha256("\x1d".join(words).encode()).hexdigest()


def _unfinished(relation: Relation, means: Means) -> list[Backfill]:
    name = f"{relation.database}.{relation.name}"
    return [found for found in means.records.unfinished() if found.relation == name]


def _filled(project: Project, wanted: Wanted, beside: Beside, means: Means) -> Backfill:
    """Fill the table beside, from where it was left; anew where something else was asked then."""
    found: Backfill | None = None
    for left in _unfinished(wanted.relation, means):
        if (bool(left.work.carried_ms), left.work.drops) == (wanted.carry, wanted.drops):
            found = left
        else:
            _abandon(beside, left, means)
    if found is None:
        found = _begin(project, wanted, beside, means)
    return _fill(beside, found, _carried(wanted.relation, found), means)


def _begin(project: Project, wanted: Wanted, beside: Beside, means: Means) -> Backfill:
    """Make the table beside, cut, and write down which slices lie before the cut."""
    relation = wanted.relation
    # Rows that are about to expire would be there for a slice and gone for the check.
    since = max((since_ms(r) for r in sources(project, relation)), default=0)
    carry = since + _AHEAD_MS if wanted.carry else 0
    work = Work(since_ms=since, carried_ms=carry, drops=wanted.drops)
    begun = means.records.begin(f"{relation.database}.{relation.name}", digest(relation), work)
    work = replace(work, table=beside.make())
    with means.quiet():
        beside.watch(carry=wanted.carry)
        cut = means.last_batch()
    before = _carried(relation, begun)
    slices = [*(beside.carried(before, means.slice_rows) if before else ())]
    slices += beside.slices(cut, since, means.slice_rows)
    _log.info("backfill_cut", relation=begun.relation, batch=cut, slices=len(slices))
    return means.records.fill(begun, cut, replace(work, slices=tuple(slices)))


def _fill(beside: Beside, found: Backfill, before: str, means: Means) -> Backfill:
    """Store the slices, more rows at a time for as long as that is quick."""
    rows = 0.0 if means.tight else float(means.slice_rows)
    while True:
        means.progress(found)
        if found.done == found.upto:  # else a statement was cut short: the same slices again
            found = means.records.take(found, _next(found, rows))
        if found.done == len(found.work.slices):
            return found
        began = time.monotonic()
        _store(beside, found, before, means)
        took = time.monotonic() - began
        rows *= min(_FASTER, _GOAL / took)
        found = means.records.take(found, _next(replace(found, done=found.upto), rows))


def _next(found: Backfill, rows: float) -> int:
    """Where the slices of the next statement end: of one view, with so many rows, one at least."""
    end, left = found.done, found.work.slices[found.done :]
    for piece in left[:_MOST]:
        rows -= piece.rows
        if end > found.done and (rows < 0 or piece.view != left[0].view):
            break
        end += 1
    return end


def _store(beside: Beside, found: Backfill, before: str, means: Means) -> None:
    """Store slices, healing the engine after each failure before the same token goes again."""
    which = f"slices {found.done + 1} to {found.upto} of {len(found.work.slices)}"
    for attempt in range(1, _ATTEMPTS + 1):
        if means.stop.is_set():
            raise EngineError(
                f"filling {found.relation} was stopped at {which}",
                next_step="`penstock up` goes on with it",
            )
        starts = means.engine_starts()
        try:
            beside.store(found, before)
        except EngineError as error:
            _log.warning("slices_failed", relation=found.relation, which=which, reason=error.what)
            full = error.code == _MEMORY
            if full and not means.tight:
                raise _TooMuchError from error
            if full or attempt == _ATTEMPTS:
                again = "run `penstock apply` again"
                smaller = f"set PENSTOCK_BACKFILL_ROWS to less than {means.rows}"
                raise EngineError(
                    f"{which} of {found.relation} failed {attempt} times: {error.what}",
                    code=error.code,
                    where=found.relation,
                    next_step=f"{smaller if full else 'mend what it names'}, and {again}",
                ) from error
            means.restart_engine(f"{which} of {found.relation}: {error.what}", starts)
        else:
            return


def _check(beside: Beside, found: Backfill, before: str, means: Means) -> None:
    """Compare a copy of the new table, made between two batches, with its source up to there."""
    with means.quiet():
        beside.look()
        last = means.last_batch()
    different = unequal(beside, found, last, before)
    if different:
        _abandon(beside, found, means)
        first = different[0]
        raise EngineError(
            f"{found.relation} was filled anew and is not what its source gives: {first.where} is "
            f"{first.found}, not {first.expected}; the former one stays",
            where=found.relation,
            next_step="did something but Penstock write to its source? Then run it again; does "
            "its file say what it conserves, and is that so?",
        )


def _place(beside: Beside, found: Backfill, means: Means) -> Backfill:
    """Let the tables change places, come what may: half done, landing must not go on."""
    while True:
        starts = means.engine_starts()
        try:
            if not beside.is_placed(found.work.table):
                beside.place(found.work.table, found.work.drops)
        except EngineError as error:
            _log.error("backfill_not_placed", relation=found.relation, reason=error.what)
            if means.stop.is_set():  # nothing lands any more, and the next start goes on
                raise
            with suppress(EngineError):  # it may not come back at once
                means.restart_engine(f"placing {found.relation}: {error.what}", starts)
            means.stop.wait(_PAUSE)
        else:
            # From here on batches come by the new views: made again they would double one.
            return means.records.turn(found, "sweeping")


def _carried(relation: Relation, found: Backfill) -> str:
    """The condition on rows that are taken from the former table; empty for none."""
    column = time_column(relation)
    if not found.work.carried_ms or column is None:
        return ""
    moment = f"fromUnixTimestamp64Milli({found.work.carried_ms}, 'UTC')"
    return f"toDateTime64({quoted(column)}, 3, 'UTC') < {moment}"


def _sweep(beside: Beside, found: Backfill, means: Means) -> None:
    """Remove the former table and what was made beside."""
    beside.drop()
    means.records.turn(found, "done")


def _abandon(beside: Beside, found: Backfill, means: Means) -> None:
    """Let go of one that is not to come to its end; the table that is served stays."""
    beside.drop()
    means.records.turn(found, "abandoned")


def _forget(found: Backfill, means: Means) -> None:
    """Remove what was made for a relation whose file is gone."""
    database, _, name = found.relation.partition(".")
    params = {"database": database, "relation": name}
    rows = means.client.rows(load("leftovers"), params=params)
    for row in rows:
        means.client.execute(f"DROP TABLE IF EXISTS {quoted(row['name'])}", database=database)
    means.records.turn(found, "abandoned")
