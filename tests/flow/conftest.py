"""What the flow tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from . import faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.engine.process import EngineProcess

# Where Yama lets only parents trace, a process may name others; the engine's Python reads this
# file before anything else. PR_SET_PTRACER, PR_SET_PTRACER_ANY; refused where there is no Yama.
_MAY_BE_TRACED = "import ctypes\nctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))\n"


@pytest.fixture
def traceable(strace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets strace attach to the engines that a test starts, for root or not; gives its path."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_MAY_BE_TRACED)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return strace


@pytest.fixture(params=["embedded", "url"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineProcess | None]:
    """The server that CLICKHOUSE_URL is to name; None where a platform starts its own engine."""
    if request.param == "embedded":
        yield None
        return
    with faults.server(tmp_path) as process:
        yield process
