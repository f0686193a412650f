"""The platform: everything one data directory needs, started in order and stopped in reverse.

::

    own the directory → open the ledger → start the engine → apply what needs no consent → audit
    → resume the sources → land → serve
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

import penstock
from penstock.engine.client import Address, Client
from penstock.engine.datadir import Ownership
from penstock.engine.datadir import key as owner_key
from penstock.engine.process import EngineProcess
from penstock.engine.writes import Writes
from penstock.errors import (
    BackupError,
    PenstockError,
    RefusedChangeError,
    StoreDownError,
    UsageError,
)
from penstock.layers.apply import Applied, Terms
from penstock.layers.landing import Hooks, Lander, Limits, Target
from penstock.layers.reconcile import as_document, reconcile
from penstock.layers.states import Consent
from penstock.project import load
from penstock.runtime.audit import audit, catch_up
from penstock.runtime.changes import Changes
from penstock.runtime.freshness import Freshness
from penstock.runtime.pulse import Pulse
from penstock.runtime.replaying import Replaying
from penstock.runtime.shared import Shared
from penstock.runtime.snapshot import Snapshots, discard
from penstock.serve.app import Application, Services
from penstock.serve.cache import Versions
from penstock.serve.idempotency import Idempotency
from penstock.sources.http import HttpSource
from penstock.store.database import Store
from penstock.store.idempotency import IdempotencyKeys
from penstock.store.journal import Journal
from penstock.store.ledger import Ledger
from penstock.store.replays import Replays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.project.objects import Project
    from penstock.settings import Settings
    from penstock.sources.http import Receipt
    from penstock.store.records import Batch

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PAUSE = 5.0  # seconds before a lander that failed is started again
_ANSWERED_MS = 60_000  # a body that landed longer ago has been answered
_SWEEP = 30.0  # seconds between looks for spool segments that may go
_AUDIT_MS = 600_000  # batches wait that long to be audited together
_log = structlog.get_logger(__name__)


class Platform:
    """A project that runs.

    Args:
        project: loaded and valid.
        settings: in force.
        data: the data directory.
    """

    def __init__(self, project: Project, settings: Settings, data: Path) -> None:
        self.project, self.settings, self.data = project, settings, data
        self.landers: list[Lander] = []
        self.history: Callable[[], dict[str, int] | None] = lambda: None
        self.problems: Callable[[], list[dict[str, str | int]]] = list
        self.on_apply: Callable[[], None] = lambda: None
        self._application: Application | None = None
        self._sources: dict[tuple[str, str], HttpSource] = {}
        self._base: dict[tuple[str, str], int] = {}
        self._versions = Versions()
        self._freshness = Freshness()
        self._adopting = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._engine: EngineProcess | None = None
        self._engine_version = ""
        self._audited = False
        self._hooks = Hooks(self._engine_starts, self._restart_engine, self._closed)
        self.reconcile = Shared(self._reconcile)
        self._adopted = 0
        if settings.text("host") not in _LOOPBACK:
            raise UsageError(
                f"host {settings.text('host')} is not this machine, and there is no login yet",
                next_step="listen on 127.0.0.1 and put a proxy with a login in front",
            )

    def start(self, *, land: bool = True) -> Applied:
        """Bring everything up but the web server.

        Args:
            land: False to look at the data only, as `penstock reconcile` does by itself.

        Raises:
            PenstockError: what is in the way, and what to do.
        """
        self.open()
        try:
            applied = self.changes.apply(Terms(unasked=True, later=True))
            if land:
                # Not when only looking: reconcile has to list what the audit refuses to land on.
                self._start_landers()
                if applied.waiting:
                    self._thread(self._go_on_filling, "backfill")
        except PenstockError:
            self.stop()
            raise
        return applied

    def open(self) -> None:
        """Own the directory and start the engine, and change nothing yet.

        Raises:
            PenstockError: what is in the way, and what to do.
        """
        self._owner = Ownership(self.data / "platform.lock", wait=1.0)
        discard(self.data)
        try:
            self.store = Store.of(self.settings, self.data)
            self.ledger = Ledger(self.store)
            self._keys = IdempotencyKeys(self.store)
            self._idempotency = Idempotency(self._keys)
            address = self._start_engine()
            self.client, self._pulse = Client(address), Pulse(address)
            self._engine_version = str(self.client.value("SELECT version()"))
            for source, lander in self._make_landers():
                self._take(source, lander)
            self.changes = Changes(
                self.project,
                self.client,
                Journal(self.store, self.data),
                self.ledger,
                self.landers,
                audit=self._audit,
                hooks=self._hooks,
                stop=self._stop,
                slice_rows=self.settings.number("backfill_rows"),
            )
            self._replaying = Replaying(
                self.changes, Replays(self.store), self._versions.bump, self._stop.is_set
            )
        except PenstockError:
            self.stop()
            raise

    def application(self) -> Application:
        """The web application of this platform."""
        self._application = Application(
            Services(
                project=self.project,
                client=self.client,
                versions=self._versions,
                sources=self._sources,
                landed=_landed,
                idempotency=self._idempotency,
                status=self.status,
                reconcile=self.reconcile,
                ready=self._ready,
                max_body=self.settings.number("max_body"),
                snapshot=self.snapshot,
                apply=self._apply,
                replay=self.replay,
                key=owner_key(self.data),
            )
        )
        return self._application

    def adopt(self, project: Project, terms: Terms | None = None) -> Applied:
        """Serve another version of the project in place of the one before.

        Args:
            project: loaded and valid.
            terms: how far its changes may go; by default as far as they need nobody's consent.

        Raises:
            PenstockError: it cannot be served; the version before goes on.
        """
        with self._adopting:  # a save and `penstock apply` may ask at the same time
            wanted = {(s.domain, s.name) for s in project.sources() if s.kind == "http"}
            if lost := sorted({_key(lander) for lander in self.landers} - wanted):
                raise RefusedChangeError(
                    f"the source {'/'.join(lost[0])} runs and its file is gone",
                    next_step="put it back, or stop `penstock up` and start it again to let go "
                    "of it",
                )
            applied = self.changes.apply(terms or Terms(unasked=True), project)
            self.project = project
            self._versions.bump(tuple({step.touched for step in applied.steps}))
            if self._application is not None:
                self._application.adopt(project)
            self._adopted += 1  # who sees it finds the new files served
            for source, lander in self._make_landers():
                lander.start()
                self._start_lander(source, lander)
                self._take(source, lander)  # nothing is sent to it before it is counted
        return applied

    def interrupt(self) -> None:
        """Begin nothing more; what is accepted from now on waits on the disk."""
        self._stop.set()

    def stop(self) -> None:
        """Land what is being landed, then let go of everything."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        if hasattr(self, "_replaying"):
            self._replaying.settle(30)
        for source in list(self._sources.values()):
            source.close()
        if self._audited:  # else the next start has the same doubts as this one
            try:
                self.ledger.put("clean_stop", "yes")
            except StoreDownError as error:
                _log.warning("stop_not_noted", reason=error.what)  # so the next start audits
        if hasattr(self, "client"):
            self.client.close()
            self._pulse.close()
        if self._engine is not None:
            self._engine.stop()
        if hasattr(self, "store"):
            self._idempotency.close()
            self.store.close()
        self._owner.release()

    def drain(self, seconds: float) -> bool:
        """Wait until everything received is landed; False where that took too long."""
        deadline = time.monotonic() + seconds
        while any(source.spool.rows_waiting for source in list(self._sources.values())):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def _reconcile(self) -> dict[str, Any]:
        """The proof of counts, as a document."""
        with self._replaying.still:
            return as_document(reconcile(self.project, self.landers, self.client, self.ledger))

    def replay(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Land dead letters again that are good by now; or say what would become of them.

        Args:
            asked: as for `Replaying.run`.

        Raises:
            PenstockError: what is in the way, and what to do.
        """
        self._refuse_filling()
        with self._adopting:  # views and bronze's judgement stay as they are meanwhile
            self._audit()
            return self._replaying.run(asked)

    def snapshot(self) -> dict[str, Any]:
        """Take a snapshot of the data directory, with the landing held for a moment.

        Raises:
            BackupError: part of the data is on a server; or the snapshot's own reasons.
        """
        for name in ("clickhouse_url", "database_url"):
            if self.settings.text(name):
                raise BackupError(
                    f"{name} is set: what is on that server would not be in the backup",
                    next_step="back the servers up by their own means: BACKUP of ClickHouse, "
                    "pg_dump; both while `penstock up` is stopped, so that they fit together",
                )
        self._refuse_filling()
        with self._adopting:  # no table comes or goes meanwhile
            if not self._audited:  # started to look: the sources do not know yet what is landed
                for lander in self.landers:
                    lander.start()
            snapshots = Snapshots(
                self.data, self.client, self.ledger, self.landers, self._sources,
                lambda: min(self._idempotency.since_ms, int(time.time() * 1000) - _ANSWERED_MS),
            )  # fmt: skip
            return {"project": self.project.name, **snapshots.take()}

    def status(self) -> dict[str, Any]:
        """How the platform is, as a document; the balance is exact at one instant a source."""
        sources = [self._source_status(lander) for lander in self.landers]
        received = sum(s["accepted"] for s in sources)
        silver, dead = (sum(s[k] for s in sources) for k in ("good", "dead"))
        in_flight = sum(s["in_flight"] for s in sources)
        return {
            "version": penstock.__version__,
            "project": self.project.title or self.project.name,
            "adopted": self._adopted,
            "engine": {
                "state": self._engine.state if self._engine else "up",
                "version": self._engine_version,
            },
            "sources": sources,
            "freshness_ms": self._freshness.document(),
            "rows_per_s": self._freshness.rows_per_second(),
            "balance": {
                "received": received,
                "silver": silver,
                "dead_letters": dead,
                "in_flight": in_flight,
                "difference": received - silver - dead - in_flight,
            },
            "filling": [
                {"relation": name, "done": done, "slices": slices}
                for name, (done, slices) in list(self.changes.filling.items())
            ],
            "history": self.history(),
            "problems": [*self.problems(), *self._replaying.problems()],
        }

    @property
    def engine_pid(self) -> int:
        """Process id of the embedded engine; 0 where a server is used."""
        return self._engine.pid if self._engine else 0

    def _start_engine(self) -> Address:
        url = self.settings.text("clickhouse_url")
        if url:
            return Address.parse(url)
        self._engine = EngineProcess(
            self.data, self.settings.number("engine_port"), self.settings.number("engine_memory")
        )
        self._engine.start()
        self._versions.elsewhere = Writes(self.data / "engine.writes").count
        return self._engine.address

    def _make_landers(self) -> list[tuple[HttpSource, Lander]]:
        """A lander for each HTTP source that has none yet."""
        limits = Limits(
            rows=min(self.settings.number("batch_rows"), 500_000),
            size=min(self.settings.number("batch_bytes"), 128 * 1024 * 1024),
            age=self.settings.seconds("batch_age"),
        )
        made = []
        for wanted in self.project.sources():
            if wanted.kind != "http" or (wanted.domain, wanted.name) in self._sources:
                continue
            folder = self.data / "spool" / f"{wanted.domain}.{wanted.name}"
            limit = self.settings.number("spool_bytes")
            source = HttpSource(wanted.domain, wanted.name, folder, limit=limit)
            target = Target.of(self.project, wanted.domain, wanted.name)
            lander = Lander(source, target, self.ledger, self.client, limits, self._hooks)
            made.append((source, lander))
        return made

    def _start_landers(self) -> None:
        self._audit()
        for lander in self.landers:
            self._start_lander(self._sources[_key(lander)], lander)
        self.changes.landing = True
        self._thread(self._sweep, "spool-sweep")

    def _take(self, source: HttpSource, lander: Lander) -> None:
        self._sources[_key(lander)] = source
        self.landers.append(lander)

    def _start_lander(self, source: HttpSource, lander: Lander) -> None:
        key = _key(lander)
        landed = self.ledger.totals().get(key)
        lander.state.good = landed.good if landed else 0
        lander.state.dead = landed.dead if landed else 0
        self._base[key] = (landed.rows if landed else 0) + source.spool.rows_waiting
        done, left = self._keys.resolve(*key, source.spool.tagged)
        if done or left:
            _log.info("idempotency_keys_resolved", source=key, done=done, left=left)
        self._thread(partial(self._supervise, lander), f"land-{key[0]}-{key[1]}")

    def _thread(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _supervise(self, lander: Lander) -> None:
        """Keep a lander running: what nobody foresaw stops its source visibly, not for good."""
        while not self._stop.is_set():
            try:
                lander.run(self._stop)
            except Exception as error:  # noqa: BLE001 - the supervisor: it logs and marks
                lander.state.name, lander.state.reason = (
                    "blocked",
                    f"{type(error).__name__}: {error}",
                )
                _log.exception("lander_failed", source=lander.source.name)
            else:
                return
            self._stop.wait(_PAUSE)

    def _sweep(self) -> None:
        while not self._stop.wait(_SWEEP):
            try:
                self.tidy()
                self._keys.sweep()
            except (PenstockError, OSError) as error:  # the next sweep tries again
                _log.error("sweep_failed", why=f"{type(error).__name__}: {error}")

    def tidy(self) -> None:
        """Count again what landed an hour ago; the spool forgets only what passes.

        Raises:
            LandingBlockedError: a batch is not in the engine any more; its records stay.
        """
        older = int((time.time() - self.settings.seconds("spool_keep")) * 1000)
        if self.ledger.unaudited(limit=1, before_ms=older - _AUDIT_MS):
            with self._replaying.still:
                catch_up(self.landers, self.ledger, before_ms=older)
        for source in list(self._sources.values()):
            source.spool.forget(older_ms=min(older, self._idempotency.since_ms))

    def _apply(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Apply the files as they are now, on request."""
        root = str(self.project.root)
        if asked.get("project", root) != root:
            raise UsageError(
                f"the running platform serves {root}, not {asked['project']}",
                next_step=f"penstock apply --project {root}",
            )
        self._refuse_filling()
        project = load(self.project.root, prefix=self.settings.text("prefix"))
        terms = Terms(Consent.read(asked), fingerprint=str(asked.get("fingerprint", "")))
        applied = self.adopt(project, terms)
        self.on_apply()
        return applied.document()

    def _refuse_filling(self) -> None:
        """Refuse what would wait for a backfill: that may take hours."""
        for name, (done, slices) in list(self.changes.filling.items()):
            raise RefusedChangeError(
                f"{name} is being filled anew: {done} of {slices} slices",
                next_step="do it when that is done: penstock status shows how far it is",
            )

    def _go_on_filling(self) -> None:
        """Finish the backfills that a crash cut short, while landing goes on."""
        try:
            self.adopt(self.project)
        except PenstockError as error:
            _log.error("backfill_stopped", reason=str(error))

    def _audit(self) -> None:
        """Take the streams over, end a replay, and count again where that is due; once."""
        if self._audited:
            return
        for lander in self.landers:
            lander.start()
        self._replaying.resume()
        audited = audit(self.project, self.landers, self.ledger)
        if audited:
            _log.info("boot_audit", batches=audited)
        self._audited = True

    def _engine_starts(self) -> int:
        return self._engine.starts if self._engine else 0

    def _restart_engine(self, reason: str, seen: int) -> None:
        if self._engine is not None:
            self._engine.restart(reason, seen=seen)
        else:
            time.sleep(1.0)  # a server heals itself; do not hammer it

    def _closed(self, lander: Lander, batch: Batch, received_ms: int) -> None:
        self._versions.bump(lander.target.tables)
        self._freshness.note(batch.rows, batch.closed_ms - received_ms)

    def _source_status(self, lander: Lander) -> dict[str, Any]:
        key = _key(lander)
        source = self._sources[key]
        with lander.counting:
            accepted, waiting = source.spool.counts()
            good, dead = lander.state.good, lander.state.dead
        return {
            "domain": key[0],
            "source": key[1],
            "state": lander.state.name,
            "reason": lander.state.reason,
            "accepted": self._base.get(key, 0) + accepted,
            "landed": good + dead,
            "good": good,
            "dead": dead,
            "in_flight": waiting,
        }

    def _ready(self) -> bool:
        blocked = any(lander.state.name == "blocked" for lander in self.landers)
        up = self._engine is None or self._engine.state == "up"
        return not blocked and up and self._pulse.beats()


def _key(lander: Lander) -> tuple[str, str]:
    return lander.source.domain, lander.source.name


def _landed(source: HttpSource, receipt: Receipt) -> bool:
    return source.spool.is_landed(receipt.part, receipt.stop)
