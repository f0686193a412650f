"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

PROGRAM = """
from penstock.cli.terminal import table
table([{"reason": "not_json", "raw": "\\x1b[2J" + "x" * 200}], ["reason", "raw"])
"""


def test_a_line_is_as_wide_as_the_terminal() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=theirs, env={**os.environ, "COLUMNS": "60"}
    )
    done.wait(30)
    lines = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    os.close(theirs)
    assert [len(line) for line in lines if line.startswith("not_json")] == [60]
    assert lines[-1].endswith("…")


def test_in_a_pipe_it_is_whole_and_commands_no_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    assert b"x" * 200 in done.stdout
    assert b"\x1b" not in done.stdout
