"""clickhouse-go over HTTP with gzip, as Grafana's data source speaks: a small program of ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import need

if TYPE_CHECKING:
    from tests.services.conftest import Server

SOURCE = Path(__file__).parent / "go"


@pytest.mark.slow
def test_clickhouse_go(server: Server, tmp_path: Path) -> None:
    go = shutil.which("go")
    need("Go", present=go is not None, how="apt-get install golang, 1.25 or newer")
    program = tmp_path / "front"
    built = subprocess.run(
        [str(go), "build", "-o", str(program), "."],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    said = subprocess.run(
        [str(program), f"127.0.0.1:{server.port}", server.key],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.stdout, said.returncode) == ("ok\n", 0)
