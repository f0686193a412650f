"""Planted faults are listed whether or not the project has what could find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.runtime.found import found

from .faults import homes
from .test_reconcile import land_all, platform_of

if TYPE_CHECKING:
    from pathlib import Path

_FAULT = {"home_id": 1, "start": "2026-01-01T00:00:00+00:00", "end": "2026-01-02T00:00:00+00:00"}
_KINDS = ("overheating", "wrong_type", "drift", "delayed", "outage")


def test_a_project_without_alert_or_endpoint_has_found_nothing(tmp_path: Path) -> None:
    with platform_of(homes(tmp_path / "project"), tmp_path / "data") as platform:
        land_all(platform, 20)
        told = found(platform, [{"kind": kind, **_FAULT} for kind in _KINDS])
    assert [fault["kind"] for fault in told] == list(_KINDS)
    assert not any(fault["found"] for fault in told), told
