"""Do the parts of a domain fit together: every name that is read exists and lies upstream."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from penstock.errors import Problem
from penstock.project import graph, statements
from penstock.project.objects import STAGES, nearest
from penstock.project.reads import line_of, tables_read
from penstock.project.toml_files import key_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.project.objects import Domain, Endpoint, Relation, Source, Statement

_MAY_READ = {"bronze": (), "silver": ("bronze", "silver"), "gold": ("silver", "gold")}


def problems(domain: Domain, root: Path) -> Iterator[Problem]:
    """Every name in a domain that leads nowhere or the wrong way."""
    fit = _Fit(domain, root)
    for name, count in Counter(r.name for r in domain.relations).items():
        if count > 1:
            yield from fit.twice(name)
    for source in domain.sources:
        yield from fit.source(source)
    yield from fit.conversions()
    for relation in domain.relations:
        for statement in relation.statements:
            yield from fit.statement(relation, statement)
    yield from fit.cycle()
    drawn = (query for dashboard in domain.dashboards for query in dashboard.queries)
    for endpoint in (*domain.endpoints, *drawn):
        yield from fit.endpoint(endpoint)
    for query in (*domain.checks, *(alert.query for alert in domain.alerts)):
        yield from fit.check(query)


class _Fit:
    def __init__(self, domain: Domain, root: Path) -> None:
        self._domain, self._root = domain, root
        self._relations = {r.name: r for r in domain.relations}
        self._views = {v.name: r for r in domain.relations for v in r.views}

    def _problem(self, path: Path, line: int, cause: str, hint: str = "") -> Problem:
        return Problem(path.relative_to(self._root).as_posix(), line, cause, hint)

    def twice(self, name: str) -> Iterator[Problem]:
        same = sorted((r for r in self._domain.relations if r.name == name), key=_rank)
        for relation in same[1:]:
            cause = f"{same[0].stage}/ has a relation {name!r} already"
            hint = f"a domain is one database: name it otherwise, such as {name}_{relation.stage}"
            yield self._problem(relation.path, 0, cause, hint)

    def cycle(self) -> Iterator[Problem]:
        names = graph.cycle(self._domain.relations)
        if names:
            relation = self._relations[names[0]]
            way = " → ".join(names)
            yield self._problem(
                relation.path, 0, f"the relations read each other in a circle: {way}"
            )

    def source(self, source: Source) -> Iterator[Problem]:
        line = key_line(source.path, "into")
        bronze = sorted(r.name for r in self._domain.relations if r.stage == "bronze")
        if source.into and source.into not in bronze:
            there = self._relations.get(source.into)
            cause = f"into = {source.into!r}: " + (
                f"that is a relation of {there.stage}" if there else "there is no such relation"
            )
            yield self._problem(source.path, line, cause, _hint(source.into, bronze, "bronze has"))
        via = str(source.options.get("via", ""))
        if not via:
            return
        posts = {s.name: s for s in self._domain.sources if s.kind == "http"}
        line = key_line(source.path, "via")
        if via not in posts:
            cause = f"via = {via!r}: there is no such source of kind http"
            yield self._problem(source.path, line, cause, _hint(via, sorted(posts), "http sources"))
        elif source.into and source.into != posts[via].into:
            cause = f"into = {source.into!r}, but {via!r} lands in {posts[via].into!r}"
            yield self._problem(source.path, line, cause, "leave `into` out")

    def conversions(self) -> Iterator[Problem]:
        """Every .sql of sources/ is used by a source and is one SELECT FROM input."""
        used = {s.using for s in self._domain.sources}
        folder = self._domain.root / "sources"
        for path in sorted(folder.glob("*.sql")) if folder.is_dir() else ():
            if path not in used:
                hint = f'using = "{path.name}" in a source of kind file'
                yield self._problem(path, 0, "no source uses this file", hint)
            file = path.relative_to(self._root).as_posix()
            text = statements.read(file, path.read_text(encoding="utf-8-sig", errors="replace"))
            yield from text.problems
            piece = text.pieces[0] if text.pieces else []
            if not text.problems and (
                len(text.pieces) != 1
                or piece[0].upper not in ("SELECT", "WITH")
                or set(tables_read(text.body(piece), piece)) != {"input"}
            ):
                line = piece[0].line if piece else 0
                cause = "the file is to be one SELECT that reads FROM input, and nothing else"
                yield self._problem(path, line, cause, "input holds the rows of the source's file")

    def statement(self, relation: Relation, statement: Statement) -> Iterator[Problem]:
        tokens = statement.query or statement.tokens
        for name in statement.reads:
            line = line_of(name, tokens)
            yield from self._name(relation.path, name, line)
            read = self._relations.get(name)
            if read is None:
                continue
            if read.name == relation.name:
                yield self._problem(relation.path, line, f"{name!r} reads itself")
            allowed = _MAY_READ[relation.stage]
            excused = read.stage == "bronze" and relation.header.text("reason")
            if read.stage not in allowed and not excused:
                yield self._problem(relation.path, line, *_wrong_way(relation.stage, read))

    def endpoint(self, endpoint: Endpoint) -> Iterator[Problem]:
        for name in endpoint.reads:
            line = line_of(name, endpoint.tokens)
            yield from self._name(endpoint.path, name, line)
            read = self._relations.get(name)
            if read is None or read.stage == "gold":
                continue
            if read.stage == "bronze":
                cause = f"an endpoint reads gold, not bronze ({name!r})"
                yield self._problem(endpoint.path, line, cause, "read the gold or silver table")
            elif not endpoint.header.text("reason"):
                cause = f"{name!r} is silver: an endpoint reads gold, or silver with a reason"
                hint = "say in the header why: `reason: …`"
                yield self._problem(endpoint.path, line, cause, hint)

    def check(self, check: Endpoint) -> Iterator[Problem]:
        for name in check.reads:
            yield from self._name(check.path, name, line_of(name, check.tokens))

    def _name(self, path: Path, name: str, line: int) -> Iterator[Problem]:
        """A name that is read: unqualified, and a relation of the domain."""
        if "." in name:
            bare = name.rsplit(".", 1)[1]
            hint = f"write {bare}" if bare in self._relations else "read the domain's own tables"
            yield self._problem(path, line, f"{name} names its database", hint)
        elif name in self._views:
            cause = f"{name!r} is a view that fills {self._views[name].name!r}"
            yield self._problem(path, line, cause, f"read {self._views[name].name}")
        elif name not in self._relations:
            cause = f"there is no relation {name!r} in the domain {self._domain.name!r}"
            known = sorted(self._relations)
            yield self._problem(path, line, cause, _hint(name, known, "it has"))


def _wrong_way(stage: str, read: Relation) -> tuple[str, str]:
    if stage == "bronze":
        return f"bronze reads nothing, and here it reads {read.name!r}", "do this in silver"
    if read.stage == "bronze":
        hint = "read the silver table, or say in the header why not: `reason: …`"
        return f"gold reads silver, and {read.name!r} is bronze", hint
    return f"{stage} lies upstream of {read.stage}, and reads {read.name!r}", "data flows down"


def _hint(name: str, known: list[str], words: str) -> str:
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"{words} {', '.join(known) or 'none'}"


def _rank(relation: Relation) -> int:
    return STAGES.index(relation.stage)
