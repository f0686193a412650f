"""A check in a process of its own: `python -m penstock.runtime.checker PREFIX ROOT`.

The check needs an engine, and chDB runs one a process. The process starts before it is needed, as
half of a check's time is loading the engine: it waits for a line on its standard input, writes the
mistakes as JSON and ends. Where the input ends first, so does it.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project import PROJECT_FILE

if TYPE_CHECKING:
    import threading

_LONGEST = 60.0  # seconds of one check
_LOOK = 0.1


class Checker:
    """Checks a project again and again, each time in a process that stands ready.

    Args:
        root: the project's folder.
        prefix: put before each domain's name.
    """

    def __init__(self, root: Path, prefix: str) -> None:
        self._words = [sys.executable, "-m", "penstock.runtime.checker", prefix, str(root)]
        self._ready: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Have a process stand ready."""
        if self._ready is None:
            pipe = subprocess.PIPE
            self._ready = subprocess.Popen(
                self._words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )

    def problems(self, stop: threading.Event) -> list[Problem]:
        """The mistakes in the files as they are now; gives up where `stop` is set."""
        self.warm()
        process, self._ready = self._ready, None
        assert process is not None  # noqa: S101 - warm has made it
        given: bytes | None = b"\n"
        deadline = time.monotonic() + _LONGEST
        while True:
            try:
                out, err = process.communicate(given, timeout=_LOOK)
                break
            except subprocess.TimeoutExpired:
                given = None
                if stop.is_set() or time.monotonic() > deadline:
                    process.kill()
        if process.returncode:
            last = (err.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
            return [Problem(PROJECT_FILE, 0, f"the check failed: {last}", "run `penstock check`")]
        return [Problem(**problem) for problem in json.loads(out)]

    def close(self) -> None:
        """Let go of the process that stands ready."""
        if self._ready is not None:
            self._ready.communicate()  # the end of its input is its end
            self._ready = None


def as_documents(problems: list[Problem]) -> list[dict[str, str | int]]:
    """Mistakes as JSON has them."""
    return [{"file": p.file, "line": p.line, "cause": p.cause, "hint": p.hint} for p in problems]


def main() -> None:
    """Wait for the word, check, write."""
    importlib.import_module("chdb")
    from penstock.layers.check import look  # noqa: PLC0415 - while nobody waits

    if sys.stdin.readline():
        _, problems = look(Path(sys.argv[2]), prefix=sys.argv[1])
        sys.stdout.write(json.dumps(as_documents(problems)))


if __name__ == "__main__":
    main()
