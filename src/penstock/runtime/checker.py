"""A check in a process of its own: `python -m penstock.runtime.checker PREFIX ROOT`.

The check needs an engine, and chDB runs one a process. The process starts before it is needed, as
most of a check's time goes to starting: it waits for a line on its standard input, the domains that
need no trial as JSON, answers with the mistakes as one line of JSON and ends. Where the input ends
first, so does it.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project import PROJECT_FILE

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection

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
        self._done: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Have a process stand ready."""
        if self._done is not None:
            self._done.communicate()  # it has answered; its end need not be waited for before
            self._done = None
        if self._ready is None:
            pipe = subprocess.PIPE
            self._ready = subprocess.Popen(
                self._words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )

    def problems(self, stop: threading.Event, proved: Collection[str] = ()) -> list[Problem]:
        """The mistakes in the files as they are now; gives up where `stop` is set.

        Args:
            stop: tells to stop.
            proved: domains whose relations stand as they were in a version without mistakes.
        """
        self.warm()
        process, self._ready = self._ready, None
        assert process is not None  # noqa: S101 - warm has made it
        assert process.stdin is not None  # noqa: S101 - warm asked for pipes
        assert process.stdout is not None  # noqa: S101 - as above
        with contextlib.suppress(BrokenPipeError):  # it has failed: its last words say why
            process.stdin.write(json.dumps(list(proved)).encode() + b"\n")
            process.stdin.flush()
        deadline = time.monotonic() + _LONGEST
        while not select.select([process.stdout], [], [], _LOOK)[0]:
            if stop.is_set() or time.monotonic() > deadline:
                process.kill()
        answer = process.stdout.readline()
        if answer:
            self._done = process
            return [Problem(**problem) for problem in json.loads(answer)]
        _, err = process.communicate()
        last = (err.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        return [Problem(PROJECT_FILE, 0, f"the check failed: {last}", "run `penstock check`")]

    def close(self) -> None:
        """Let go of the process that stands ready."""
        for process in (self._ready, self._done):
            if process is not None:
                process.communicate()  # the end of its input is its end
        self._ready = self._done = None


def as_documents(problems: list[Problem]) -> list[dict[str, str | int]]:
    """Mistakes as JSON has them."""
    return [{"file": p.file, "line": p.line, "cause": p.cause, "hint": p.hint} for p in problems]


def main() -> None:
    """Wait for the word, check, answer."""
    from penstock.engine.scratch import Scratch  # noqa: PLC0415 - while nobody waits
    from penstock.layers.check import look  # noqa: PLC0415 - as above

    with Scratch() as engine:
        if word := sys.stdin.readline():
            proved = json.loads(word)
            _, problems = look(Path(sys.argv[2]), prefix=sys.argv[1], engine=engine, proved=proved)
            sys.stdout.write(json.dumps(as_documents(problems)) + "\n")
            sys.stdout.flush()  # before the engine is taken down, which takes a while


if __name__ == "__main__":
    main()
