"""Reload on save: a project's files are watched, and a sound new version is served at once.

::

    files change → checked in a process of their own → loaded → applied → served
                        │ mistakes                       │ refused
                        └────────▶ shown; the version before goes on serving ◀┘

`checker` says why the check is a process.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from penstock.errors import InvalidProjectError, PenstockError, Problem
from penstock.project import PROJECT_FILE, load
from penstock.project.objects import STAGES
from penstock.runtime.checker import Checker, as_documents

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from penstock.layers.apply import Applied
    from penstock.project.objects import Project

_LOOK = 0.2  # seconds between looks: a project has a few hundred files at most
_WATCHED = (".sql", ".toml")
_PARTS = ("sources", *STAGES, "serve", "checks", "alerts")
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
        self._problems: list[Problem] = []
        self._seen = self._sound = stamp(root)
        self._checker = Checker(root, prefix)

    def problems(self) -> list[dict[str, str | int]]:
        """What keeps the files, as they are now, from being served; empty where nothing does."""
        return as_documents(self._problems)

    def look_again(self) -> None:
        """Take the files for new: what kept them from being served may be settled."""
        self._seen = {}

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        self._checker.warm()
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
            self._checker.warm()
        self._checker.close()

    def _reload(self, stop: threading.Event) -> None:
        began = time.monotonic()
        problems = self._checker.problems(stop, self._proved())
        applied = None
        try:
            project = load(self._root, prefix=self._prefix) if not problems else None
            if stop.is_set() or stamp(self._root) != self._seen:
                return  # saved again meanwhile: the next look takes that up
            applied = self._adopt(project) if project else None
        except PenstockError as error:
            problems = found_in(error)
        if problems:
            self._note(problems)
            return
        self._problems, self._sound = [], self._seen
        seconds = time.monotonic() - began
        created = f"; created {', '.join(applied.created)}" if applied and applied.created else ""
        self._say(f"  the files are served as saved ({seconds:.1f} s){created}")

    def _proved(self) -> set[str]:
        """Domains of which no relation differs from the version that is served."""
        files = self._seen.keys() | self._sound.keys()
        differ = {f for f in files if self._seen.get(f) != self._sound.get(f)}
        places = [(file.parent.parent.name, file.parent.name) for file in map(Path, differ)]
        return {Path(f).parent.parent.name for f in files} - {
            domain for domain, part in places if part in STAGES
        }

    def _note(self, problems: list[Problem]) -> None:
        """Show mistakes, each list of them once."""
        if self._problems == problems:
            return
        self._problems = problems
        lines = [f"  not taken: {problem}" for problem in problems]
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


def found_in(error: PenstockError) -> list[Problem]:
    """An error as mistakes in files: those it holds, else one at each place that it names."""
    if isinstance(error, InvalidProjectError):
        return list(error.problems)
    places = _PLACE.findall(f"{error.what} {error.where}") or [(PROJECT_FILE, "0")]
    return [Problem(file, int(line), error.what, error.next_step) for file, line in places]
