"""The demo: domains of the examples with senders around them, and the account of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.runtime.platform import Platform

_DRAIN = 60.0


class Part(Protocol):
    """One domain of a demo."""

    @property
    def domain(self) -> str:
        """Its name."""
        ...

    def start(self) -> None:
        """Start its senders."""
        ...

    def stop(self) -> int:
        """End them; gives the rows that were acknowledged to them in this run."""
        ...

    def account(self) -> dict[str, Any]:
        """What else is to be told of it, once all is landed."""
        ...


@dataclass
class Demo:
    """Senders around a platform.

    Args:
        platform: started.
        url: where the platform answers.
        parts: the domains that are sent to.
    """

    platform: Platform
    url: str
    parts: Sequence[Part]
    _earlier: int = field(default=0, init=False)

    def start(self) -> None:
        """Start the senders; what an earlier run has sent already is not sent again."""
        # What waits in the spool since a kill counts, too: it is landed in this run.
        self._earlier = int(self.platform.status()["balance"]["received"])
        for part in self.parts:
            part.start()

    def finish(self) -> dict[str, Any]:
        """End the senders, wait for what they sent, and give the account of the run."""
        sent = sum([part.stop() for part in self.parts])
        self.platform.drain(_DRAIN)
        return self._account(self._earlier + sent)

    def _account(self, counted: int) -> dict[str, Any]:
        reconciled = self.platform.reconcile()
        status = self.platform.status()
        # Whoever else has sent something meanwhile (curl, say) did not count for us.
        received = status["balance"]["received"]
        totals = _totals(reconciled["sources"])
        counts = {"received": received, **totals}
        ok = reconciled["ok"] and counted <= received == sum(totals.values())
        fresh = {k: status["freshness_ms"][k] for k in ("p50", "p99")}
        told = {part.domain: part.account() for part in self.parts}
        domains = {}
        for domain, more in told.items():
            own = [s for s in reconciled["sources"] if s["source"].startswith(f"{domain}/")]
            mine = sum(s["accepted"] for s in status["sources"] if s["domain"] == domain)
            verdict = {"ok": ok and all(source["ok"] for source in own)}
            shared = {"received": mine, **_totals(own), "reconcile": verdict, "freshness_ms": fresh}
            domains[domain] = {**shared, **more}
        return {
            **counts,
            "others": received - counted,
            "reconcile": {"ok": ok, "sources": reconciled["sources"]},
            "freshness_ms": fresh,
            "faults": [fault for more in told.values() for fault in more.get("faults", ())],
            "domains": domains,
            "urls": {
                "page": self.url,
                "openapi": f"{self.url}/openapi.json",
                "clickhouse": self.platform.client.address.shown,
            },
        }


def _totals(sources: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(source[key] for source in sources) for key in ("silver", "dead_letters")}
