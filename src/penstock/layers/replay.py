"""Replay: dead letters that are good by now are landed again, each exactly once.

::

    judged → positions written down → inserted under a token → counted → old rows deleted → closed

The records go into bronze once more, as they are: bronze judges them by its `_error` of today, and
the views carry them on as they carry any good row, each table under the token of the replay. Only
when the copies were seen to be the very records, and silver to have them, are the old rows deleted,
by their positions. (An UPDATE of `_error` would be shorter; the engine refuses one of a computed
column, and one of `_raw` judges all rows of a part anew.) The rows keep their positions, their
batch and their time of arrival: the batch they came in has more good rows and fewer dead letters.

A kill at any point leaves an open replay; it is gone on with from the stored positions under the
same token. Nothing is deleted before all is stored, so whatever is still there as a dead letter may
be inserted again.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import structlog

from penstock.errors import EngineError, LandingBlockedError, RefusedChangeError, StaleLeaseError
from penstock.layers.expiry import Counted
from penstock.layers.judging import COLUMNS, HASH, Verdict, chunks, refuse_twice_fed
from penstock.layers.reconcile import counted
from penstock.layers.rewriting import settle
from penstock.layers.statements import fill
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from penstock.layers.conservation import Difference
    from penstock.layers.judging import Asked, Chunk
    from penstock.layers.landing import Lander
    from penstock.store.records import Batch, Span
    from penstock.store.replays import Replay, Replays

_ATTEMPTS = 5
_WRAP = 2**64
# A statement names its positions one by one. A server takes its length from the request, chDB only
# from the statement itself.
_LENGTH = 64 * 1024 * 1024
_LONG = {"max_query_size": str(_LENGTH)}
_log = structlog.get_logger(__name__)


class _There(NamedTuple):
    """Records at a replay's positions that came in one batch."""

    dead: int = 0
    good: int = 0
    fingerprint: int = 0


@dataclass
class Replayer:
    """Replays the dead letters of one source.

    Attributes:
        lander: of the source; started, so that it holds the stream.
        replays: in the ledger.
        golds: compares silver with its golds while nothing lands; asked where tokens may be lost.
        window: batches that may land before a table may have forgotten a token.
        changed: tables that a replay has changed.
        still: held while a chunk is landed: what is half done must not be counted meanwhile.
        stopping: whether the platform is being stopped.
        landed: told how many records a chunk has brought to silver.
    """

    lander: Lander
    replays: Replays
    golds: Callable[[], Sequence[Difference]]
    window: int = 10_000
    changed: Callable[[tuple[str, ...]], None] = lambda _tables: None
    still: AbstractContextManager[object] = field(default_factory=nullcontext)
    stopping: Callable[[], bool] = lambda: False
    landed: Callable[[int], None] = lambda _rows: None

    def outlook(self, asked: Asked) -> Verdict:
        """What would become of the dead letters; nothing is changed.

        Raises:
            RefusedChangeError: a view would get them twice.
        """
        refuse_twice_fed(self.lander.client, self.lander.target)
        verdict = Verdict()
        for chunk in chunks(self.lander, asked):
            verdict.add(chunk.fates)
        return verdict

    def run(self, asked: Asked) -> Verdict:
        """Land what is good now; gives what became of the dead letters.

        Raises:
            LandingBlockedError: it failed five times, or the engine holds something else; what
                was landed before stays so, and the rest is gone on with.
            RefusedChangeError: a view would get them twice, or the platform is being stopped.
        """
        refuse_twice_fed(self.lander.client, self.lander.target)
        verdict = Verdict()
        for chunk in chunks(self.lander, asked):
            if chunk.spans:
                self._chunk(chunk)
                self.landed(sum(chunk.batches.values()))
            verdict.add(chunk.fates)
        return verdict

    def _chunk(self, chunk: Chunk) -> None:
        with self.still:
            if self.stopping():
                raise _stopped()
            self._refuse_alike(chunk)
            replay = self.replays.open(
                self.lander.stream,
                spans=chunk.spans,
                batches=chunk.batches,
                fingerprint=chunk.fingerprint,
            )
            self._land(replay)

    def resume(self, *, rebooted: bool = False) -> int:
        """Go on with what was cut short; gives the records of it, 0 where nothing was.

        Args:
            rebooted: whether the machine went down since: a power cut may take the engine's tokens.

        Raises:
            LandingBlockedError: it cannot be told whether it is stored, or it failed again.
        """
        replay = self.replays.unfinished(self.lander.stream.id)
        if replay is None:
            return 0
        replay = self.replays.adopt(replay, self.lander.stream)
        newest, stored = self.lander.ledger.last_batch(), False
        if rebooted:  # written down: whoever is killed before it is judged has to judge it, too
            replay = self.replays.trust(replay, -1)
        if replay.newest_batch < 0 or newest - replay.newest_batch > self.window:
            stored = self._judged_by_counting(replay)
            replay = self.replays.trust(replay, newest)
        self._land(replay, stored=stored)
        _log.info("replay_resumed", replay=replay.id, rows=replay.rows)
        return replay.rows

    def _land(self, replay: Replay, *, stored: bool = False) -> None:
        hooks, tables = self.lander.hooks, self.lander.target.tables
        while True:
            try:
                landed = self._attempt(replay, stored=stored)
                break
            except StaleLeaseError:
                raise
            except EngineError as error:
                if self.stopping():
                    raise _stopped() from error
                replay = self.replays.failed(replay, str(error))
                _log.warning("replay_failed", replay=replay.id, attempts=replay.attempts)
                # Whatever the engine left half done is healed before the same token goes again.
                hooks.restart_engine(f"replay {replay.id}: {error.what}", hooks.engine_starts())
                if replay.attempts >= _ATTEMPTS:
                    raise self._blocked(
                        f"replay {replay.id} failed {replay.attempts} times: {error.what}",
                        "mend what it names, then `penstock dead-letters replay` goes on with it",
                    ) from error
        self.replays.close(replay, landed, tables)
        self.changed(tables)
        state, total = self.lander.state, sum(landed.values())
        with self.lander.counting:
            state.good += total
            state.dead -= total

    def _attempt(self, replay: Replay, *, stored: bool) -> dict[int, int]:
        """Insert, count and delete once; gives the records landed, by batch."""
        batches = {batch.batch: batch for batch in self.replays.batches(replay)}
        letters = _letters(self.lander.source.name, replay.spans)
        found = self._found(letters)
        if not stored and any(there.dead for there in found.values()):
            self._insert(replay, letters)
            found = self._found(letters)
        landed = self._landed(replay, batches, found)
        if any(there.dead for there in found.values()):
            self._delete(replay.spans)
            if left := sum(there.dead for there in self._found(letters).values()):
                raise EngineError(f"{left} rows that were landed again are still dead letters")
        self._check(landed, batches)
        return landed

    def _insert(self, replay: Replay, letters: str) -> None:
        lander = self.lander
        lander.client.execute(
            fill(
                "replay_land",
                bronze=f"`{lander.target.bronze}`",
                columns=COLUMNS,
                letters=letters,
                token=literal(replay.token),
                long=_LENGTH,
            ),
            database=lander.target.database,
            settings=_LONG,
            lease=lander.lease(replay.epoch),
        )

    def _dead(self, spans: Sequence[Span]) -> str:
        """The condition that picks the dead letters at some positions, as a mutation takes it."""
        target = self.lander.target
        width = max(span.stop for span in spans)
        row = self.lander.client.rows(
            fill(
                "replay_keys",
                bronze=f"`{target.bronze}`",
                width=width,
                letters=_letters(self.lander.source.name, spans),
                long=_LENGTH,
            ),
            database=target.database,
            settings=_LONG,
        )[0]
        newest = int(row["newest"])
        if (newest + 1) * width >= _WRAP:
            raise _alike(f"batch {newest} and position {width} do not fit one number")
        return fill(
            "replay_dead",
            source=literal(self.lander.source.name),
            width=width,
            newest=newest,
            keys=",".join(map(str, row["keys"])),
        )

    def _refuse_alike(self, chunk: Chunk) -> None:
        """Refuse where other dead letters would be deleted with those of a chunk.

        A batch may hold several parts, and their positions may be equal.
        """
        bronze = self.lander.target.bronze
        found = self.lander.client.rows(
            fill("replay_alike", bronze=f"`{bronze}`", dead=self._dead(chunk.spans), long=_LENGTH),
            database=self.lander.target.database,
            settings=_LONG,
        )
        if int(found[0]["rows"]) != sum(chunk.batches.values()):
            raise _alike(f"several parts of one batch have the same positions in {bronze}")

    def _delete(self, spans: Sequence[Span]) -> None:
        """Delete the old rows, whose copies were seen, and wait until they are gone."""
        target, client = self.lander.target, self.lander.client
        # Not the lightweight DELETE: to the engine that is an UPDATE of a hidden column, for which
        # it reads all computed columns' expressions, and stumbles over lambdas in them.
        bronze = f"`{target.bronze}`"
        sql = fill("replay_delete", bronze=bronze, dead=self._dead(spans), long=_LENGTH)
        client.execute(sql, database=target.database, settings=_LONG)
        settle(client, [target.database], target.bronze)

    def _found(self, letters: str) -> dict[int, _There]:
        target = self.lander.target
        rows = self.lander.client.rows(
            fill(
                "replay_state",
                bronze=f"`{target.bronze}`",
                letters=letters,
                hash=HASH,
                long=_LENGTH,
            ),
            database=target.database,
            settings=_LONG,
        )
        return {
            int(row["batch"]): _There(*(int(row[name]) for name in _There._fields)) for row in rows
        }

    def _counts(self, batches: Mapping[int, Batch]) -> dict[int, Counted]:
        oldest = min(batch.ingested_ms for batch in batches.values())
        # The time lets the engine leave out bronze's older days unread.
        which = (
            f"_batch IN ({','.join(map(str, batches))})"
            f" AND _ingested_at >= fromUnixTimestamp64Milli({oldest}, 'UTC')"
        )
        return counted(self.lander, self.lander.client, which)

    def _landed(
        self, replay: Replay, batches: Mapping[int, Batch], found: Mapping[int, _There]
    ) -> dict[int, int]:
        """Records landed by batch, after bronze's copies and silver were seen to be right."""
        counts, expiry = self._counts(batches), self.lander.target.expiry
        landed: dict[int, int] = {}
        aged = False
        for number, rows in replay.batches.items():
            batch, there = batches[number], found.get(number, _There())
            count = counts.get(number, Counted(0, 0, 0))
            old = expiry.bronze(batch.ingested_ms)
            aged |= old
            whole = there.good == rows or (old and count.silver == batch.good + rows)
            if whole and expiry.silver_right(batch.good + rows, batch.ingested_ms, count):
                landed[number] = rows
            elif not old or there.good or count.silver > batch.good:
                words = (
                    f"batch {number}: {there.good} of {rows} records are good in "
                    f"{self.lander.target.bronze}, and {count.silver} in "
                    f"{self.lander.target.silver}, which had {batch.good}"
                )
                if there.good > rows or count.silver > batch.good + rows:  # another try adds more
                    raise self._blocked(words, "restore a backup; nothing was deleted")
                raise EngineError(words, next_step="they are inserted again under their token")
            # else bronze has let them go by age before they were landed
        seen = sum(there.fingerprint for there in found.values()) % _WRAP
        if not aged and str(seen) != replay.fingerprint:
            raise self._blocked(
                f"replay {replay.id} finds other records at its positions than were written down",
                "`penstock reconcile` lists what differs; nothing was deleted",
            )
        return landed

    def _check(self, landed: Mapping[int, int], batches: Mapping[int, Batch]) -> None:
        """See that each batch has as many records as ever."""
        counts = self._counts(batches)
        for number in landed:
            batch, count = batches[number], counts.get(number, Counted(0, 0, 0))
            if not self.lander.target.expiry.bronze_right(batch.rows, batch.ingested_ms, count):
                raise EngineError(
                    f"batch {number} of {batch.rows} rows has {count.rows} in "
                    f"{self.lander.target.bronze} after {landed[number]} of them were replayed"
                )

    def _judged_by_counting(self, replay: Replay) -> bool:
        """Whether all of it is stored, where tokens cannot be trusted; False where nothing is."""
        batches = {batch.batch: batch for batch in self.replays.batches(replay)}
        found = self._found(_letters(self.lander.source.name, replay.spans))
        counts = self._counts(batches)
        differences = self.golds()
        states = set()
        for number, rows in replay.batches.items():
            good = found.get(number, _There()).good
            more = counts.get(number, Counted(0, 0, 0)).silver - batches[number].good
            states.add({(0, 0): "nothing", (rows, rows): "all"}.get((good, more), "a part"))
        if differences or len(states) > 1 or "a part" in states:
            raise self._blocked(
                f"replay {replay.id} of {replay.rows} records was cut short, and the engine may "
                f"not know any more what is stored: {' and '.join(sorted(states))} by counting; "
                f"{len(differences)} sums of gold differ",
                "`penstock reconcile` lists every difference; restore a backup",
            )
        return "all" in states

    def _blocked(self, what: str, next_step: str) -> LandingBlockedError:
        source = self.lander.source
        return LandingBlockedError(
            what, where=f"{source.domain}/{source.name}", next_step=next_step
        )


def _stopped() -> RefusedChangeError:
    return RefusedChangeError(
        "the platform is being stopped before all dead letters were replayed",
        next_step="start it again, then penstock dead-letters replay: what is open is gone on with",
    )


def _alike(why: str) -> RefusedChangeError:
    return RefusedChangeError(
        f"these dead letters cannot be told from others when they are deleted: {why}",
        next_step="they stay where they are; send the records again instead",
    )


def _letters(source: str, spans: Sequence[Span]) -> str:
    """The condition that picks the rows of a source at some positions."""
    parts: dict[int, list[str]] = {}
    for span in spans:
        parts.setdefault(span.part, []).extend(map(str, range(span.start, span.stop)))
    places = " OR ".join(f"(_part = {p} AND _pos IN ({','.join(at)}))" for p, at in parts.items())
    return f"_source = {literal(source)} AND ({places})"
