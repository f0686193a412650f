"""`penstock.AnalyticsService`: the endpoints of the domain telemetry as typed methods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self

from penstock.client import Client
from penstock.errors import UsageError

Range = Literal["last_hour", "last_day", "7d"] | tuple[datetime, datetime]
"""Up to now, by name; or from a time to another, the second one no longer in it."""


@dataclass(frozen=True, slots=True)
class EnergySummary:
    """What a user draws over a range.

    Attributes:
        user_id: whose.
        average: mean of all measurements, W; None where there are none.
        maximum: highest measurement, W; None where there are none.
        count: measurements; 0 for a user that nobody knows.
    """

    user_id: str
    average: float | None
    maximum: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute of a user or a device.

    Attributes:
        start: of the minute, in UTC.
        average: mean of its measurements, W.
        maximum: highest of them, W.
        count: measurements.
    """

    start: datetime
    average: float
    maximum: float
    count: int


@dataclass(frozen=True, slots=True)
class DevicePower:
    """A device among those that draw most.

    Attributes:
        device_id: which.
        average: mean of its measurements, W.
        maximum: highest of them, W.
        count: measurements.
    """

    device_id: str
    average: float
    maximum: float
    count: int


class AnalyticsService:
    """Energy of users and devices, as the platform knows it this moment.

    ::

        with AnalyticsService() as analytics:
            print(analytics.energy_summary("ann", "last_day").average)

    All methods raise what `Client.rows` does. Ranges begin and end at whole minutes: a bound
    within a minute is taken for that minute's start.

    Args:
        client: to the platform; or its address; by default as for `Client`.
    """

    def __init__(self, client: Client | str = "") -> None:
        self.client = Client(client) if isinstance(client, str) else client

    def energy_summary(self, user_id: str, range: Range = "last_hour") -> EnergySummary:  # noqa: A002 - the issue's word
        """What a user draws on average and at most over a range; an unknown user has no count.

        Raises:
            UsageError: a bound has no time zone.
        """
        rows = self._rows("energy_summary", user_id=user_id, range=_text(range))
        if not rows:
            return EnergySummary(user_id, None, None, 0)
        return EnergySummary(user_id, **_figures(rows[0]))

    def user_now(self, user_id: str, *, minutes: int = 15) -> list[Minute]:
        """A user's last minutes over all their devices, the oldest first."""
        return [_minute(row) for row in self._rows("user_now", user_id=user_id, minutes=minutes)]

    def device_now(self, device_id: str, *, minutes: int = 15) -> list[Minute]:
        """A device's last minutes, the oldest first."""
        asked = self._rows("device_now", device_id=device_id, minutes=minutes)
        return [_minute(row) for row in asked]

    def top_devices(self, *, most: int = 10, minutes: int = 15) -> list[DevicePower]:
        """The devices that draw most, by the mean of the last minutes, the highest first."""
        asked = self._rows("top_devices", most=most, minutes=minutes)
        return [DevicePower(str(row["device_id"]), **_figures(row)) for row in asked]

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, endpoint: str, **params: object) -> list[dict[str, Any]]:
        return self.client.rows(f"telemetry/{endpoint}", **params)


def _text(span: Range) -> str:
    """A range as the endpoint reads it."""
    if isinstance(span, str):
        return span
    for bound in span:
        if bound.tzinfo is None:
            raise UsageError(
                f"{bound.isoformat()} has no time zone",
                next_step="datetime.now(UTC), or .replace(tzinfo=UTC) where it is in UTC",
            )
    return "/".join(f"{bound.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for bound in span)


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "average": float(row["average"]),
        "maximum": float(row["maximum"]),
        "count": int(row["count"]),
    }


def _minute(row: dict[str, Any]) -> Minute:
    return Minute(datetime.fromtimestamp(int(row["minute_ms"]) / 1000, UTC), **_figures(row))
