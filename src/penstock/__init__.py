"""Penstock: a real-time data platform on ClickHouse in one Python package.

The flow, which is also the order of the folders of a project, of the columns of the page
and of the imports of this package::

    sources → bronze → silver → gold → serve
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.analytics import AnalyticsService
    from penstock.client import Client
    from penstock.simulate.producer import TelemetryProducer

__all__ = ["AnalyticsService", "Client", "TelemetryProducer", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """What users import from here is loaded on use: `penstock --help` needs no Kafka."""
    if name == "AnalyticsService":
        from penstock.analytics import AnalyticsService  # noqa: PLC0415 - on use

        return AnalyticsService
    if name == "Client":
        from penstock.client import Client  # noqa: PLC0415 - on use

        return Client
    if name == "TelemetryProducer":
        from penstock.simulate.producer import TelemetryProducer  # noqa: PLC0415 - on use

        return TelemetryProducer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
