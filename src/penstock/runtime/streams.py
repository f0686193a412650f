"""The sources as a document: what each is, where it stands, how fast it goes, how to send to it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError
from penstock.layers.example import record
from penstock.runtime.intake import key_of

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.project.objects import Project, Source
    from penstock.runtime.intake import Intake
    from penstock.runtime.pace import Pace

_KEPT_S = 60.0  # how long an example is given again: finding one reads bronze


@dataclass
class Streams:
    """The sources of a platform, for people.

    Attributes:
        project: whose they are; may be replaced while it runs.
        intake: of those that are received from.
        pace: how fast they land.
        client: to the engine.
    """

    project: Project
    intake: Intake
    pace: Pace
    client: Client
    _examples: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """All sources as JSON: those that are received from, then files."""
        logs = [s for s in self.project.sources() if s.kind != "file"]
        files = [s for s in self.project.sources() if s.kind == "file"]
        return {
            "sources": [found for s in logs if (found := self._received(s)) is not None],
            "files": [self._file(source) for source in files],
        }

    def _received(self, source: Source) -> dict[str, Any] | None:
        key = (source.domain, source.name)
        lander = next((each for each in self.intake.landers if key_of(each) == key), None)
        if lander is None:
            return None  # a file saved this moment, which is not taken in yet
        parts = lander.source.parts()
        return {
            **self.intake.status_of(lander),
            "kind": "http" if key in self.intake.sources else source.kind,
            "into": source.into,
            "file": self._path(source),
            "parts": [asdict(part) for part in parts],
            "last_ms": lander.state.last_ms,
            "rates": self.pace.of(key),
            "example": self._example(source),
        }

    def _file(self, source: Source) -> dict[str, Any]:
        return {
            "domain": source.domain,
            "source": source.name,
            "path": str(source.options.get("path", "")),
            "via": f"{source.domain}/{source.options.get('via', '')}",
            "file": self._path(source),
            "command": f"penstock ingest {source.domain}/{source.name}",
        }

    def _path(self, source: Source) -> str:
        return source.path.relative_to(self.project.root).as_posix()

    def _example(self, source: Source) -> str:
        key, now = (source.domain, source.name), time.monotonic()
        made, known = self._examples.get(key, (-_KEPT_S, ""))
        if now - made < _KEPT_S and known:
            return known
        try:
            found = record(self.project, source, self.client)
        except PenstockError:  # the engine is away: the rest of the document stands without it
            return known
        self._examples[key] = (now, found)
        return found
