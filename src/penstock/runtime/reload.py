"""Reload on save: a project's files are watched, and a sound new version is served at once.

::

    files change → checked in a process of their own → loaded → applied → served
                        │ mistakes                       │ refused
                        └────────▶ shown; the version before goes on serving ◀┘

The check needs an engine of its own and chDB runs one a process, so it is `penstock check` itself.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import structlog

from penstock.errors import InvalidProjectError, PenstockError, Problem
from penstock.project import PROJECT_FILE, load

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from penstock.layers.apply import Applied
    from penstock.project.objects import Project

_LOOK = 0.2  # seconds between looks: a project has a few hundred files at most
_CHECK = 60.0
_WATCHED = (".sql", ".toml")
_PARTS = ("sources", "bronze", "silver", "gold", "serve", "checks")
_PLACE = re.compile(r"([\w./-]+\.(?:sql|toml)):(\d+)")
_log = structlog.get_logger(__name__)

Stamp = dict[str, tuple[int, int, int]]


class Reloader:
    """Watches a project's folder and hands on each sound version of it.

    Args:
        root: the project's folder.
        prefix: put before each domain's name.
        adopt: serves a version; raises, and leaves all as it was, where that cannot be.
        say: tells a person.
    """

    def __init__(
        self,
        root: Path,
        prefix: str,
        adopt: Callable[[Project], Applied],
        say: Callable[[str], None],
    ) -> None:
        self._root, self._prefix, self._adopt, self._say = root, prefix, adopt, say
        self._problems: tuple[Problem, ...] = ()
        self._seen = stamp(root)

    def problems(self) -> list[dict[str, str | int]]:
        """What keeps the files, as they are now, from being served; empty where nothing does."""
        return [
            {"file": p.file, "line": p.line, "cause": p.cause, "hint": p.hint}
            for p in self._problems
        ]

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        while not stop.wait(_LOOK):
            found = stamp(self._root)
            if found == self._seen:
                continue
            self._seen = found
            try:
                self._reload(stop)
            except Exception as error:  # noqa: BLE001 - the supervisor: the next save is looked at
                _log.exception("reload_failed")
                self._note([Problem(PROJECT_FILE, 0, f"reload failed: {error}", "save it again")])

    def _reload(self, stop: threading.Event) -> None:
        began = time.monotonic()
        problems = check(self._root, stop)
        if stop.is_set() or stamp(self._root) != self._seen:
            return  # saved again meanwhile: the next look takes that up
        applied = None
        if not problems:
            try:
                applied = self._adopt(load(self._root, prefix=self._prefix))
            except PenstockError as error:
                problems = found_in(error)
        if problems:
            self._note(problems)
            return
        self._problems = ()
        seconds = time.monotonic() - began
        created = f"; created {', '.join(applied.created)}" if applied and applied.created else ""
        self._say(f"  the files are served as saved ({seconds:.1f} s){created}")

    def _note(self, problems: Sequence[Problem]) -> None:
        """Show mistakes, each set of them once."""
        if self._problems == (noted := tuple(problems)):
            return
        self._problems = noted
        lines = [f"  not taken: {problem}" for problem in noted]
        self._say("\n".join([*lines, "  the version before goes on serving"]))


def stamp(root: Path) -> Stamp:
    """What tells one version of a project's files from the next: times, sizes and inodes."""
    files = [root / PROJECT_FILE, *(f for part in _PARTS for f in root.glob(f"*/{part}/*"))]
    found: Stamp = {}
    for file in files:
        if file.suffix not in _WATCHED or file.name[0] in "._":
            continue
        try:
            stat = file.stat()
        except OSError:
            continue  # deleted while we looked
        found[str(file)] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


def check(root: Path, stop: threading.Event) -> list[Problem]:
    """The mistakes that `penstock check` finds, in a process that ends where `stop` is set."""
    words = [sys.executable, "-m", "penstock.cli", "check", "--json", str(root)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + _CHECK
        while True:
            try:
                out, err = process.communicate(timeout=_LOOK)
                break
            except subprocess.TimeoutExpired:
                if stop.is_set() or time.monotonic() > deadline:
                    process.kill()
    if process.returncode not in (0, InvalidProjectError.exit_code):
        last = (err.decode(errors="replace").strip().splitlines() or ["it gave no reason"])[-1]
        return [Problem(PROJECT_FILE, 0, f"`penstock check` failed: {last}", "run it by hand")]
    found = json.loads(out)["problems"]
    return [Problem(p["file"], p["line"], p["cause"], p["hint"]) for p in found]


def found_in(error: PenstockError) -> list[Problem]:
    """An error as mistakes in files: those it holds, else one at each place that it names."""
    if isinstance(error, InvalidProjectError):
        return list(error.problems)
    places = _PLACE.findall(f"{error.what} {error.where}") or [(PROJECT_FILE, "0")]
    return [Problem(file, int(line), error.what, error.next_step) for file, line in places]
