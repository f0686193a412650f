"""A platform knows whether its engine answers, and its threads outlive what goes wrong."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from penstock.engine.process import EngineProcess
from penstock.project import load
from penstock.runtime import intake as intake_module
from penstock.runtime.platform import Platform
from penstock.settings import Settings

from .faults import MEMORY, free_port, homes, wait_for
from .test_reconcile import platform_of


def test_it_is_not_ready_while_the_engine_does_not_answer_and_it_goes_on_sweeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "_SWEEP", 0.01)
    swept: list[int] = []

    def fail(**_: int) -> int:
        swept.append(1)
        raise PermissionError(13, "Permission denied")

    with platform_of(homes(tmp_path / "project"), tmp_path / "data") as platform:
        platform.landers[0].source.spool.forget = fail  # type: ignore[attr-defined]
        wait_for("a second sweep", lambda: len(swept) > 1)
        wait_for("the platform to be ready", platform._ready)
        os.kill(platform.engine_pid, signal.SIGSTOP)
        try:
            wait_for("the platform not to be ready", lambda: not platform._ready())
        finally:
            os.kill(platform.engine_pid, signal.SIGCONT)
        wait_for("the platform to be ready again", platform._ready)


def test_with_a_server_it_is_ready_while_that_answers(tmp_path: Path) -> None:
    server = EngineProcess(tmp_path / "server", free_port(), MEMORY)
    server.start()
    try:
        key = server.address.key
        url = f"http://penstock:{key}@127.0.0.1:{server.address.port}"
        settings = Settings.load().replace(clickhouse_url=url)
        platform = Platform(load(homes(tmp_path / "project")), settings, tmp_path / "data")
        platform.start()
        try:
            wait_for("the platform to be ready", platform._ready)
            server.stop()
            wait_for("the platform not to be ready", lambda: not platform._ready())
        finally:
            platform.stop()
    finally:
        server.stop()
