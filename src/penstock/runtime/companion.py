"""A companion: a process that lands beside a platform, with a share of each topic's partitions.

It has no engine, no page and no spool of its own. It reads the same project, writes into the
same ledger and the same engine, and may be killed or stopped at any time: what it left open
others inherit.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import structlog

from penstock.engine.client import Address, Client
from penstock.engine.datadir import Ownership
from penstock.engine.datadir import key as owner_key
from penstock.errors import DataDirTakenError, PenstockError, UsageError
from penstock.layers.landing import Hooks
from penstock.runtime.intake import Intake
from penstock.store.database import Store
from penstock.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from penstock.project.objects import Project
    from penstock.settings import Settings

_MOST = 64  # companions of one data directory
_log = structlog.get_logger(__name__)


class Companion:
    """Lands sources of kind `kafka` for a platform that runs on the same data directory.

    Args:
        project: that the platform serves.
        settings: in force.
        data: the data directory.
        heal: asks the platform for its engine: `{}` how often it has been started; with `reason`
            and `seen`, to heal it. Gives `{"starts": …}`.

    Raises:
        UsageError: no source of the project reads a topic, or no broker is named.
    """

    def __init__(
        self,
        project: Project,
        settings: Settings,
        data: Path,
        heal: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        topics = [s for s in project.sources() if s.kind == "kafka"]
        if not topics or not settings.text("kafka_bootstrap_servers"):
            missing = (
                "no source reads a topic" if not topics else "KAFKA_BOOTSTRAP_SERVERS is empty"
            )
            raise UsageError(
                f"there is nothing to share: {missing}",
                next_step='give a source kind = "kafka" and a topic, and name the brokers in '
                "KAFKA_BOOTSTRAP_SERVERS, for `penstock up` as well",
            )
        self._project, self._settings, self._data, self._heal = project, settings, data, heal
        self._stop, self._opened = threading.Event(), ExitStack()
        self.number = self._seen = 0

    def start(self) -> None:
        """Join those who land.

        Raises:
            PenstockError: what is in the way, and what to do.
        """
        with ExitStack() as opened:
            opened.callback(self._claim().release)
            store = Store.of(self._settings, self._data)
            opened.callback(store.close)
            client = Client(self._address())
            opened.callback(client.close)
            hooks = Hooks(self._starts, self._restart)
            self._intake = Intake(
                self._settings, self._data, Ledger(store), client, hooks, self._stop, self.number
            )
            opened.callback(self._intake.close)
            self._intake.take_in(self._project, start=True)
            opened.callback(self._intake.join, 30)
            self._opened = opened.pop_all()

    def stop(self) -> None:
        """End after the batch at hand."""
        self._stop.set()
        self._opened.close()

    def _claim(self) -> Ownership:
        """A number that no other companion has; the same one after a restart, where it is free."""
        for self.number in range(1, _MOST + 1):
            try:
                return Ownership(self._data / f"lander-{self.number}.lock")
            except DataDirTakenError:
                continue
        raise UsageError(f"{_MOST} companions land in {self._data} already")

    def _address(self) -> Address:
        if url := self._settings.text("clickhouse_url"):
            return Address.parse(url)
        port = self._settings.number("engine_port")
        return Address("127.0.0.1", port, "penstock", owner_key(self._data))

    def _starts(self) -> int:
        """How often the engine was started; where the platform is away, as far as is known."""
        with suppress(PenstockError):
            self._seen = int(self._heal({})["starts"])
        return self._seen

    def _restart(self, reason: str, seen: int) -> None:
        _log.warning("healing_asked", reason=reason)
        self._heal({"reason": reason, "seen": seen})
        time.sleep(0.5)
