"""Telemetry in the demo: meters that send through a topic, or over HTTP where there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from penstock.runtime.intake import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.layers.landing import Lander
    from penstock.runtime.platform import Platform
    from penstock.runtime.senders import Senders

TOPIC = "telemetry_stream"
"""Where the meters send, by its name in `examples/telemetry/sources`."""

_NAME = "telemetry"
_KEY = ("telemetry", TOPIC)
_SEED = "3"
_LAND_S = 60.0


@dataclass
class TelemetryDemo:
    """Meters with incidents, sent by a process of its own that counts them.

    Args:
        platform: started.
        url: where the platform answers.
        senders: what starts it.
        devices: how many meters.
        rate: messages a second of all of them.
        ends: where each partition of the topic ends; None where they are sent over HTTP.
    """

    platform: Platform
    url: str
    senders: Senders
    devices: int
    rate: float
    ends: Callable[[], dict[int, int]] | None = None
    domain: str = field(default="telemetry", init=False)
    _before: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)
    _took_s: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start the sender."""
        self.senders.forget(_NAME)
        self._before = self._landed()
        words = ["telemetry", "--devices", str(self.devices), "--rate", str(self.rate)]
        words += ["--seed", _SEED, "--faults", "story"]
        if self.ends is None:
            words += ["--url", f"{self.url}/v1/ingest/{'/'.join(_KEY)}"]
        else:
            servers = self.platform.settings.text("kafka_bootstrap_servers")
            words += ["--to", "kafka", "--topic", TOPIC, "--servers", servers]
        self._began = time.monotonic()
        self.senders.spawn(_NAME, words)

    def stop(self) -> int:
        """End the sender and wait until the topic is landed; gives what was acknowledged."""
        self.senders.end()
        acknowledged = int(self.senders.truth(_NAME).get("acknowledged", 0))
        if self.ends is not None:
            ends, deadline = self.ends(), time.monotonic() + _LAND_S
            while not self._has(ends) and time.monotonic() < deadline:
                time.sleep(0.05)
        else:
            self.platform.drain(_LAND_S)
        self._took_s = time.monotonic() - self._began
        return acknowledged

    def account(self) -> dict[str, Any]:
        """What was sent and landed in this run, at what rates, and the incidents planted."""
        truth, landed = self.senders.truth(_NAME), self._landed() - self._before
        sent = int(truth.get("acknowledged", 0))
        state = self._lander().state
        return {
            "via": "http" if self.ends is None else "kafka",
            "sent": sent,
            "unacknowledged": int(truth.get("unacknowledged", 0)),
            "landed": landed,
            "balance": {"sent": sent, "landed": landed, "difference": landed - sent},
            "rates": {
                "wanted_per_s": self.rate,
                "sent_per_s": round(sent / _seconds(truth), 1),
                "landed_per_s": round(landed / self._took_s, 1),
            },
            "incidents": truth.get("faults", []),
            "source": {"state": state.name, "reason": state.reason},
        }

    def _has(self, ends: dict[int, int]) -> bool:
        """Whether all up to the ends of the topic's partitions is landed."""
        landed = {part.part: part.landed for part in self._lander().source.parts()}
        return all(landed.get(part, 0) >= end for part, end in ends.items())

    def _landed(self) -> int:
        sources = self.platform.status()["sources"]
        return sum(s["landed"] for s in sources if (s["domain"], s["source"]) == _KEY)

    def _lander(self) -> Lander:
        return next(one for one in self.platform.landers if key_of(one) == _KEY)


def _seconds(truth: dict[str, Any]) -> float:
    """For how long a sender has sent, by its account; never zero."""
    if not truth.get("last_ts"):
        return 1.0
    first, last = (datetime.fromisoformat(truth[key]) for key in ("start", "last_ts"))
    return max((last - first).total_seconds(), 1e-3)
