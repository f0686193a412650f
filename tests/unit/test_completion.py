"""Shell completion knows every command, and costs `penstock --help` nothing that is heavy."""

from __future__ import annotations

import os
import subprocess
import sys

ASK = "import sys; sys.argv[0] = 'penstock'; from penstock.cli import main; sys.exit(main())"


def complete(words: str) -> list[str]:
    asked = {
        "_PENSTOCK_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout.split()


def test_the_shell_completes_commands_and_options() -> None:
    assert complete("penstock ne") == ["new"]
    assert {"source", "gold", "endpoint", "check"} <= set(complete("penstock new "))
    assert complete("penstock new source --l") == ["--like"]


def test_nothing_heavy_is_imported_for_it() -> None:
    look = "import sys, penstock.cli; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["chdb", "numpy", "starlette", "sqlalchemy", "alembic", "uvicorn", "clickhouse_connect"]
    done = subprocess.run(
        [sys.executable, "-c", look, *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
