"""`/metrics`: Prometheus text; labels are names of the project's files alone, so bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.serve.redis_tier import COUNTED
from penstock.serve.timings import OUTCOMES, QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.serve.timings import Timing


def exposition(status: dict[str, Any], endpoints: Iterable[tuple[str, str, Timing]]) -> str:
    """The text: each metric's lines as one group.

    Args:
        status: of the platform.
        endpoints: domain, name and timing of each.
    """
    lines: list[str] = []
    for name, kind, key in (
        ("rows_accepted_total", "counter", "accepted"),
        ("rows_landed_total", "counter", "landed"),
        ("rows_in_flight", "gauge", "in_flight"),
    ):
        lines.append(f"# TYPE penstock_{name} {kind}")
        lines += [
            f'penstock_{name}{{domain="{s["domain"]}",source="{s["source"]}"}} {s[key]}'
            for s in status["sources"]
        ]
    balance, fresh = status["balance"], status["freshness_ms"]
    lines += [
        "# TYPE penstock_dead_letters_total counter",
        f"penstock_dead_letters_total {balance['dead_letters']}",
        "# TYPE penstock_balance gauge",
        f"penstock_balance {balance['difference']}",
        "# TYPE penstock_freshness_seconds gauge",
        f'penstock_freshness_seconds{{quantile="0.5"}} {fresh["p50"] / 1000}',
        f'penstock_freshness_seconds{{quantile="0.99"}} {fresh["p99"] / 1000}',
    ]
    lines += _redis(status["cache"]["redis"])
    return "\n".join([*lines, *_endpoints(list(endpoints))]) + "\n"


def _redis(redis: dict[str, Any]) -> list[str]:
    """Nothing where there is no Redis."""
    if redis["state"] == "off":
        return []
    return [
        "# TYPE penstock_redis_up gauge",
        f"penstock_redis_up {int(redis['state'] == 'up')}",
        "# TYPE penstock_redis_looks_total counter",
        *(f'penstock_redis_looks_total{{outcome="{name}"}} {redis[name]}' for name in COUNTED),
    ]


def _endpoints(endpoints: list[tuple[str, str, Timing]]) -> list[str]:
    asked = ["# TYPE penstock_endpoint_requests_total counter"]
    took = ["# TYPE penstock_endpoint_seconds gauge"]
    for domain, name, timing in endpoints:
        labels = f'domain="{domain}",endpoint="{name}"'
        asked += [
            f'penstock_endpoint_requests_total{{{labels},outcome="{outcome}"}} '
            f"{timing.counts[outcome]}"
            for outcome in OUTCOMES
        ]
        took += [
            f'penstock_endpoint_seconds{{{labels},quantile="{quantile}"}} {ms / 1000}'
            for quantile, ms in zip(QUANTILES, timing.quantiles(), strict=True)
            if timing.newest
        ]
    return [*asked, *(took if len(took) > 1 else ())]  # a type without a sample is refused
