"""How a command finds the platform it is about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.cli.place import HERE
from penstock.cli.running import RECORD, answers, look, sought
from penstock.errors import EngineDownError, InvalidProjectError, UsageError

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Door


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "penstock.toml").write_text('name = "city"\ntitle = "A city"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leave(data: Path, project: Path, url: str, pid: int = 0) -> None:
    data.mkdir(exist_ok=True)
    document = {"project": str(project), "url": url, "engine_port": 8200, "pid": pid or os.getpid()}
    (data / RECORD).write_text(json.dumps(document))


def dead() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.parametrize("folder", [".data", "penstock-demo"])
def test_the_record_in_the_data_directory_is_found(project: Path, door: Door, folder: str) -> None:
    leave(project / folder, project, door.url)
    found = look()
    assert (found.url, found.engine_port, found.project) == (door.url, 8200, project)
    assert found.data == project / folder
    assert look(project) == look(HERE, project / folder) == found


def test_a_mistake_in_the_project_is_no_hindrance(project: Path, door: Door) -> None:
    leave(project / ".data", project, door.url)
    (project / "penstock.toml").write_text("title = ")
    assert look().url == door.url
    (project / ".data" / RECORD).unlink()
    with pytest.raises(InvalidProjectError):
        look()


def test_a_record_that_a_kill_left_is_not_believed(project: Path, door: Door) -> None:
    leave(project / ".data", project, door.url, dead())
    assert sought() is None
    leave(project / ".data", project, "http://127.0.0.1:9")
    assert sought() is None
    (project / ".data" / RECORD).write_text("{")
    with pytest.raises(EngineDownError, match="no platform runs here"):
        look()


def test_the_demo_of_another_project_is_not_taken_for_ours(project: Path, door: Door) -> None:
    leave(project / "penstock-demo", Path("/elsewhere"), door.url)
    assert sought() is None
    assert look(HERE, Path("penstock-demo")).url == door.url, "unless its data is named"


def test_the_default_address_is_asked_last(
    project: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", door.url.rpartition(":")[2])
    found = look()
    assert (found.url, found.data) == (door.url, None)
    with pytest.raises(UsageError, match="needs the key"):
        found.engine(write=True)
    assert found.engine(write=False).key == ""
    door.project = "Another"
    assert sought() is None
    (project / "penstock.toml").unlink()
    assert look().url == door.url, "without a project any will do"


def test_only_a_penstock_is_one(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(door.url)
    monkeypatch.setattr(door, "get", lambda _: (200, "hello"))
    assert not answers(door.url)
    assert not answers("http://127.0.0.1:9")
