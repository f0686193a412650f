"""Every error has a reference of its own, a fix and a command, and the document says the same."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from penstock.cli import app
from penstock.errors import DataDirTakenError, EngineDownError, PenstockError

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools_errors", ROOT / "tools" / "errors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kinds() -> list[Any]:
    found = tool().every()
    assert len(found) > 15
    return list(found)


def test_each_has_a_reference_of_its_own_and_a_fix() -> None:
    references = [kind.reference for kind in kinds()]
    assert len(set(references)) == len(references)
    for kind in kinds():
        own = set(vars(kind))
        assert {"reference", "fix", "command"} <= own, f"{kind.__name__} says nothing of its own"
        assert kind.reference.startswith("PNS-")
        assert kind.reference[4:].isdecimal()


def test_each_command_is_one_of_ours() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    for kind in kinds():
        ours, word, *_ = kind.command.split()
        assert ours == "penstock"
        assert word in known | {"--help"}, kind.command


def test_the_document_is_what_the_tool_writes() -> None:
    written = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert written == tool().page(), "run: python tools/errors.py > docs/errors.md"


def test_a_terminal_is_told_code_cause_place_fix_and_command() -> None:
    taken = DataDirTakenError("process 7 owns it", where="/data", next_step="stop it (kill 7)")
    assert taken.told().splitlines() == [
        "PNS-3002  process 7 owns it",
        "  at    /data",
        "  next  stop it (kill 7)",
        "  run   penstock status",
    ]
    exact = EngineDownError("nothing answers", next_step="start it with `penstock up`")
    assert exact.told().splitlines() == [
        "PNS-2002  nothing answers",
        "  next  start it with `penstock up`",
    ]
    assert PenstockError("it failed").told().splitlines()[1:] == [
        f"  next  {PenstockError.fix}",
        "  run   penstock doctor",
    ]


def test_the_command_line_shows_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli", "status", "--project", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("PNS-1001  there is no penstock.toml")
    assert done.stdout == ""
