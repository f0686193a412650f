"""The platform: everything one data directory needs, started in order and stopped in reverse.

::

    own the directory → open the ledger → start the engine → apply what needs no consent → audit
    → resume the sources → land → serve
"""

from __future__ import annotations

import shlex
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict
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
from penstock.layers.landing import Hooks, Lander
from penstock.layers.reconcile import as_document, reconcile
from penstock.layers.states import Consent
from penstock.project import load
from penstock.runtime import epochs
from penstock.runtime.alerting import Alerting
from penstock.runtime.audit import audit, catch_up
from penstock.runtime.changes import Changes
from penstock.runtime.checking import Checking
from penstock.runtime.freshness import Freshness
from penstock.runtime.intake import Intake, key_of, landed
from penstock.runtime.pace import Pace
from penstock.runtime.pulse import Pulse
from penstock.runtime.replaying import Replaying
from penstock.runtime.shared import Shared
from penstock.runtime.snapshot import Snapshots, discard
from penstock.runtime.streams import Streams
from penstock.serve.app import Application, Services
from penstock.serve.cache import Versions
from penstock.serve.idempotency import Idempotency
from penstock.serve.redis_tier import OFF, RedisTier
from penstock.serve.session import Sessions
from penstock.store.check_results import CheckResults
from penstock.store.database import Store
from penstock.store.journal import Journal
from penstock.store.ledger import Ledger
from penstock.store.replays import Replays
from penstock.store.saved_queries import SavedQueries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.project.objects import Project
    from penstock.settings import Settings
    from penstock.store.records import Batch

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ANSWERED_MS = 60_000  # a body that landed longer ago has been answered
_LOOK_S = 2.0  # seconds that a look waits for what changes the database
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
        self.history: Callable[[], dict[str, int] | None] = lambda: None
        self.problems: Callable[[], list[dict[str, str | int]]] = list
        self.on_apply: Callable[[], None] = lambda: None
        self._application: Application | None = None
        self._versions = Versions()
        redis = settings.text("redis_url")
        self._tier = RedisTier(redis) if redis else None
        self._freshness = Freshness()
        self._pace = Pace()
        self.sessions = Sessions()
        self._adopting = threading.Lock()
        self._stop = threading.Event()
        self._opened = ExitStack()
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
                self._thread(self.alerting.run, "alerts")
                self._thread(self.alerting.tell, "deliveries")
                self._thread(self.checking.run, "checks")
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
        self._opened.callback(Ownership(self.data / "platform.lock", wait=1.0).release)
        discard(self.data)
        try:
            self.store = Store.of(self.settings, self.data)
            self._opened.callback(self.store.close)
            self.ledger = Ledger(self.store)
            address = self._start_engine()
            self.client, self._pulse = Client(address), Pulse(address)
            self._opened.callback(self._pulse.close)
            self._opened.callback(self.client.close)
            alone = self._engine is not None
            epochs.resume(self._versions, self.ledger, self.data, alone=alone)
            self._intake = Intake(
                self.settings, self.data, self.ledger, self.client, self._hooks, self._stop
            )
            self._idempotency = Idempotency(self._intake.keys)
            self._opened.callback(self._idempotency.close)
            self._opened.callback(self._note_stop)
            self._opened.callback(self._intake.close)
            self._engine_version = str(self.client.value("SELECT version()"))
            self._intake.take_in(self.project)
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
            self._make_lookouts()
            self._opened.callback(self._join)
        except PenstockError:
            self.stop()
            raise

    def _make_lookouts(self) -> None:
        """What looks at the data now and then: alerts, checks."""
        self.alerting = Alerting.of(
            self.project, self.settings, self.client, self.store, self._stop
        )
        every = self.settings.seconds("checks_every")
        results = CheckResults(self.store)
        self.checking = Checking(self.project, self.client, results, every, self._stop)
        self._streams = Streams(self.project, self._intake, self._pace, self.client)

    def application(self) -> Application:
        """The web application of this platform."""
        self._application = Application(
            Services(
                project=self.project,
                client=self.client,
                versions=self._versions,
                tier=self._tier,
                sources=self._intake.sources,
                landed=landed,
                idempotency=self._idempotency,
                status=self.status,
                reconcile=self.reconcile,
                ready=self._ready,
                max_body=self.settings.number("max_body"),
                snapshot=self.snapshot,
                heal=self._heal,
                apply=self._apply,
                replay=self.replay,
                outlook=self.outlook,
                replaying=lambda: asdict(self._replaying.progress),
                intake=self._streams.document,
                alerts=self.alerting.document,
                test_alert=self.alerting.test,
                silence=self.alerting.silence,
                past_alerts=self.alerting.history,
                checks=self.checking.document,
                passages=self._intake.passages,
                saved=SavedQueries(self.store),
                key=owner_key(self.data),
                sessions=self.sessions,
                open_command=f"penstock open --data {shlex.quote(str(self.data))}",
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
            wanted = {(s.domain, s.name) for s in project.sources() if s.kind != "file"}
            if lost := sorted({key_of(lander) for lander in self.landers} - wanted):
                raise RefusedChangeError(
                    f"the source {'/'.join(lost[0])} runs and its file is gone",
                    next_step="put it back, or stop `penstock up` and start it again to let go "
                    "of it",
                )
            applied = self.changes.apply(terms or Terms(unasked=True), project)
            self.project = self.alerting.project = self.checking.project = project
            self._streams.project = project
            self._versions.bump(tuple({step.touched for step in applied.steps}))
            if self._application is not None:
                self._application.adopt(project)
            self._adopted += 1  # who sees it finds the new files served
            self._intake.take_in(project, start=True)
        return applied

    def interrupt(self) -> None:
        """Begin nothing more; what is accepted from now on waits on the disk."""
        self._stop.set()

    def stop(self) -> None:
        """Land what is being landed, then let go of everything, in reverse."""
        self._stop.set()
        self._opened.close()

    def _join(self) -> None:
        """Wait for what is being done; nothing new is begun."""
        self._intake.join(30)
        for thread in self._threads:
            thread.join(30)
        self._replaying.settle(30)

    def _note_stop(self) -> None:
        """Note that nothing was cut short; else the next start has the same doubts as this one."""
        if self._audited:
            try:
                self.ledger.put("clean_stop", "yes")
                epochs.note(self._versions, self.ledger, self.data)
            except StoreDownError as error:
                _log.warning("stop_not_noted", reason=error.what)  # so the next start audits

    def drain(self, seconds: float) -> bool:
        """Wait until everything received is landed; False where that took too long."""
        return self._intake.drain(seconds)

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
        # Views and bronze's judgement stay as they are meanwhile.
        with self._replaying.turn(), self._adopting:
            self._audit()
            return self._replaying.run(asked)

    def outlook(self) -> dict[str, Any]:
        """What would become of all dead letters, if they were replayed now; changes nothing.

        Raises:
            RefusedChangeError: files are being applied or dead letters replayed, or as for
                `Replaying.outlook`.
        """
        self._refuse_filling()
        if not self._adopting.acquire(timeout=_LOOK_S):
            raise RefusedChangeError(
                "files are being applied, or dead letters replayed",
                next_step="look again when that is done",
            )
        try:
            return self._replaying.outlook()
        finally:
            self._adopting.release()

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
                self._intake.lease()
            snapshots = Snapshots(
                self.data, self.client, self.ledger, self.landers, self._intake.sources,
                lambda: min(self._idempotency.since_ms, int(time.time() * 1000) - _ANSWERED_MS),
            )  # fmt: skip
            return {"project": self.project.name, **snapshots.take()}

    def status(self) -> dict[str, Any]:
        """How the platform is, as a document; the balance is exact at one instant a source."""
        sources = self._intake.status()
        received = sum(s["accepted"] for s in sources)
        silver, dead = (sum(s[k] for s in sources) for k in ("good", "dead"))
        in_flight = sum(s["in_flight"] for s in sources)
        return {
            "version": penstock.__version__,
            "at": time.time_ns() // 1_000_000,
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
            "cache": {"redis": self._tier.document() if self._tier else OFF},
            "problems": [*self.problems(), *self._replaying.problems()],
        }

    @property
    def landers(self) -> list[Lander]:
        """Those of all sources."""
        return self._intake.landers

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
        self._opened.callback(self._engine.stop)
        self._engine.start()
        self._versions.elsewhere = Writes(self.data / "engine.writes").count
        return self._engine.address

    def _start_landers(self) -> None:
        self._audit()
        self._intake.start(self.tidy)
        self.changes.landing = True

    def tidy(self) -> None:
        """Count again what landed an hour ago; the spool forgets only what passes.

        Raises:
            LandingBlockedError: a batch is not in the engine any more; its records stay.
        """
        older = int((time.time() - self.settings.seconds("spool_keep")) * 1000)
        if self.ledger.unaudited(limit=1, before_ms=older - _AUDIT_MS):
            with self._replaying.still:
                catch_up(self.landers, self.ledger, before_ms=older)
        self._intake.forget(min(older, self._idempotency.since_ms))

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

    def _thread(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

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
        self._intake.lease()
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

    def _heal(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Heal the engine after a write of a companion that did not end well."""
        if "reason" in asked:
            self._restart_engine(str(asked["reason"]), int(asked.get("seen", 0)))
        return {"starts": self._engine_starts()}

    def _closed(self, lander: Lander, batch: Batch, received_ms: int) -> None:
        self._versions.bump(lander.target.tables)
        self._freshness.note(batch.rows, batch.closed_ms - received_ms)
        self._pace.note(key_of(lander), batch.rows)

    def _ready(self) -> bool:
        up = self._engine is None or self._engine.state == "up"
        return not self._intake.blocked() and up and self._pulse.beats()
