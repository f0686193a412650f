"""The intake of a platform: its sources and their landers, started, watched, tidied, counted."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from penstock.errors import PenstockError
from penstock.layers.landing import Lander, Limits, Target
from penstock.layers.sharing import SharedLander
from penstock.sources.http import HttpSource
from penstock.store.idempotency import IdempotencyKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.engine.client import Client
    from penstock.layers.landing import Hooks, Passage
    from penstock.project.objects import Project, Source
    from penstock.settings import Settings
    from penstock.sources.http import Receipt
    from penstock.sources.replayable import Shared
    from penstock.store.ledger import Ledger

_PAUSE = 5.0  # seconds before a lander that failed is started again
_SWEEP = 30.0  # seconds between looks for spool segments that may go
_log = structlog.get_logger(__name__)


@dataclass
class Intake:
    """Sources that are received from, each with its lander.

    Attributes:
        settings: in force.
        data: the data directory.
        ledger: of what has landed.
        client: to the engine.
        hooks: of all landers.
        stop: is set when landing is to end.
        landers: in the order they were taken in.
        sources: (domain, name) → source of kind `http`, which bodies are posted to.
        keys: of bodies sent with an Idempotency-Key.
        member: number of this process among those that land for one ledger; 0 is the platform.
    """

    settings: Settings
    data: Path
    ledger: Ledger
    client: Client
    hooks: Hooks
    stop: threading.Event
    member: int = 0
    landers: list[Lander] = field(default_factory=list)
    sources: dict[tuple[str, str], HttpSource] = field(default_factory=dict)
    keys: IdempotencyKeys = field(init=False)
    _base: dict[tuple[str, str], int] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = IdempotencyKeys(self.ledger.store)

    def take_in(self, project: Project, *, start: bool = False) -> None:
        """Take in each source of a project that is not there yet, but files.

        Args:
            project: valid.
            start: whether to land at once, as those before do; else `start` does.
        """
        known = {key_of(lander) for lander in self.landers}
        limits = Limits(
            rows=min(self.settings.number("batch_rows"), 500_000),
            size=min(self.settings.number("batch_bytes"), 128 * 1024 * 1024),
            age=self.settings.seconds("batch_age"),
        )
        for wanted in project.sources():
            key = (wanted.domain, wanted.name)
            if wanted.kind == "file" or key in known:
                continue
            if self.member and wanted.kind != "kafka":
                continue  # what is posted, the platform has
            source = self._open(wanted)
            target = Target.of(project, *key)
            means = (target, self.ledger, self.client, limits, self.hooks)
            lander = (
                Lander(source, *means)
                if isinstance(source, HttpSource)
                else SharedLander(source, *means, leads=self.member == 0)
            )
            if start:
                lander.start()
                self._run(lander)
            if isinstance(source, HttpSource):
                self.sources[key] = source  # nothing is sent to it before it is counted
            self.landers.append(lander)

    def _open(self, wanted: Source) -> HttpSource | Shared:
        """The log that a source's records are read from.

        Without a broker a topic's records are posted, as on a laptop that has none.
        """
        key = (wanted.domain, wanted.name)
        if wanted.kind == "kafka" and self.settings.text("kafka_bootstrap_servers"):
            from penstock.sources.kafka import KafkaSource, brokers  # noqa: PLC0415 - librdkafka

            topic = str(wanted.options["topic"])
            # Another ledger's landers land all of it as well, and share nothing with these; nor
            # do those of a copy, which is elsewhere.
            place = f"{self.ledger.identity()} {socket.gethostname()} {self.data.resolve()}"
            name = hashlib.blake2b(place.encode(), digest_size=4).hexdigest()
            group = f"penstock.{'.'.join(key)}.{name}"
            member = f"{socket.gethostname()}.{self.member}"
            return KafkaSource(*key, topic, brokers(self.settings), group=group, member=member)
        folder = self.data / "spool" / ".".join(key)
        return HttpSource(*key, folder, limit=self.settings.number("spool_bytes"))

    def lease(self) -> None:
        """Take the streams of all sources over, and tell each where to go on."""
        for lander in self.landers:
            lander.start()

    def start(self, tidy: Callable[[], None]) -> None:
        """Land from now on.

        Args:
            tidy: is called now and then, to forget what has long been landed.
        """
        for lander in self.landers:
            self._run(lander)
        self._thread(partial(self._sweep, tidy), "spool-sweep")

    def join(self, seconds: float) -> None:
        """Wait for the landers, which land what they are at; `stop` is set before."""
        for thread in self._threads:
            thread.join(seconds)

    def close(self) -> None:
        """Let go of the sources."""
        for lander in list(self.landers):
            lander.source.close()

    def drain(self, seconds: float) -> bool:
        """Wait until everything received is landed; False where that took too long."""
        deadline = time.monotonic() + seconds
        while any(lander.source.counts()[1] for lander in list(self.landers)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def forget(self, older_ms: int) -> None:
        """Let go of spool segments that were landed before a time, epoch milliseconds."""
        for lander in list(self.landers):
            lander.source.forget(older_ms=older_ms)

    def status(self) -> list[dict[str, Any]]:
        """How each source is, as documents; the counts of each are of one instant."""
        return [self.status_of(lander) for lander in self.landers]

    def passages(self) -> dict[tuple[str, str], Passage]:
        """The newest batch of each source that has landed one since the start."""
        return {key_of(one): one.passage for one in list(self.landers) if one.passage}

    def blocked(self) -> bool:
        """Whether a source cannot land."""
        return any(lander.state.name == "blocked" for lander in self.landers)

    def _run(self, lander: Lander) -> None:
        key = key_of(lander)
        landed = self.ledger.totals().get(key)
        lander.state.good = landed.good if landed else 0
        lander.state.dead = landed.dead if landed else 0
        received, waiting = lander.source.counts()
        self._base[key] = (landed.rows if landed else 0) + waiting - received
        if isinstance(lander.source, HttpSource):
            done, left = self.keys.resolve(*key, lander.source.spool.tagged)
            if done or left:
                _log.info("idempotency_keys_resolved", source=key, done=done, left=left)
        self._thread(partial(self._supervise, lander), f"land-{key[0]}-{key[1]}")

    def _thread(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _supervise(self, lander: Lander) -> None:
        """Keep a lander running: what nobody foresaw stops its source visibly, not for good."""
        while not self.stop.is_set():
            try:
                lander.run(self.stop)
            except Exception as error:  # noqa: BLE001 - the supervisor: it logs and marks
                lander.state.name, lander.state.reason = (
                    "blocked",
                    f"{type(error).__name__}: {error}",
                )
                _log.exception("lander_failed", source=lander.source.name)
            else:
                return
            self.stop.wait(_PAUSE)

    def _sweep(self, tidy: Callable[[], None]) -> None:
        while not self.stop.wait(_SWEEP):
            try:
                tidy()
                self.keys.sweep()
            except (PenstockError, OSError) as error:  # the next sweep tries again
                _log.error("sweep_failed", why=f"{type(error).__name__}: {error}")

    def status_of(self, lander: Lander) -> dict[str, Any]:
        """How one source is, as a document; the counts are of one instant."""
        key = key_of(lander)
        with lander.counting:
            accepted, waiting = lander.source.counts()
            good, dead = lander.state.good, lander.state.dead
        received = self._base.get(key, 0) + accepted
        if isinstance(lander, SharedLander) and (all_of := self.ledger.totals().get(key)):
            good, dead = all_of.good, all_of.dead  # others land it, too
            received = good + dead + waiting
        return {
            "domain": key[0],
            "source": key[1],
            "state": lander.state.name,
            "reason": lander.state.reason,
            "accepted": received,
            "landed": good + dead,
            "good": good,
            "dead": dead,
            "in_flight": waiting,
        }


def key_of(lander: Lander) -> tuple[str, str]:
    """Domain and name of the source that a lander lands."""
    return lander.source.domain, lander.source.name


def landed(source: HttpSource, receipt: Receipt) -> bool:
    """Whether what was received has been landed."""
    return source.spool.is_landed(receipt.part, receipt.stop)
