"""An engine that says nothing when it starts is given up, in time or when nobody wants it more."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.engine import process
from penstock.engine.process import EngineProcess
from penstock.errors import EngineDownError


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script into the place of the engine's program."""

    def put(script: str) -> None:
        program = tmp_path / "host"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))

    return put


def engine(tmp_path: Path, free_port: Callable[[], int]) -> EngineProcess:
    return EngineProcess(tmp_path / "data", free_port(), 1 << 28)


@pytest.mark.parametrize("script", ["exec sleep 60", "echo 'half a line {'; exec sleep 60"])
def test_a_silent_host_is_given_up(
    tmp_path: Path,
    free_port: Callable[[], int],
    host: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
) -> None:
    host(script)
    monkeypatch.setattr(process, "_START", 0.5)
    began = time.monotonic()
    with pytest.raises(EngineDownError, match="did not start"):
        engine(tmp_path, free_port).start()
    assert time.monotonic() - began < 5


def test_a_start_ends_when_it_is_stopped(
    tmp_path: Path, free_port: Callable[[], int], host: Callable[[str], None]
) -> None:
    host("exec sleep 60")
    silent = engine(tmp_path, free_port)
    failed: list[EngineDownError] = []

    def start() -> None:
        try:
            silent.start()
        except EngineDownError as error:
            failed.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    while not silent.pid:
        time.sleep(0.01)
    began = time.monotonic()
    silent.stop()
    thread.join(10)
    assert time.monotonic() - began < 5
    assert failed


def test_what_cannot_be_run_is_an_error_of_ours(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(EngineDownError, match="cannot be started: No such file"):
        engine(tmp_path, free_port).start()
