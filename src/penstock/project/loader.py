"""A folder on disk becomes a validated project, with every mistake found in one run.

`read` gives what could be understood together with the mistakes, so that a caller can look
further (the engine compiles what is sound); `load` raises where there is any mistake.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.errors import InvalidProjectError, Problem
from penstock.project import (
    alerts,
    cases,
    dashboard_files,
    endpoints,
    graph,
    quality,
    references,
    statements,
    toml_files,
)
from penstock.project.header import RELATION_KEYS, header
from penstock.project.objects import (
    STAGES,
    Domain,
    Project,
    Relation,
    Source,
    Stage,
    Statement,
    nearest,
)
from penstock.project.rules import broken_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from penstock.project.dashboards import Dashboard
    from penstock.project.objects import Alert, Endpoint

PROJECT_FILE = "penstock.toml"
_PARTS = ("sources", *STAGES, "serve")
_FOLDERS = (*_PARTS, "dashboards", "alerts", "checks", "tests", "data", "docs")
_RESERVED = ("system", "default", "information_schema")


def load(root: Path, *, prefix: str = "", rules: bool = True) -> Project:
    """Read and validate a project.

    Args:
        root: the folder that holds penstock.toml.
        prefix: put before each domain's name to make its database's name.
        rules: also apply the rules of the flow; off only for experiments that break one.

    Raises:
        InvalidProjectError: with every mistake that can be found without an engine.
    """
    project, problems = read(root, prefix=prefix, rules=rules)
    if problems:
        raise InvalidProjectError(problems)
    return project


def read(root: Path, *, prefix: str = "", rules: bool = True) -> tuple[Project, list[Problem]]:
    """Read a project as far as it can be understood, with the mistakes in it.

    Arguments as for `load`. The project holds everything that could be parsed, so parts of it may
    be missing or refer to nothing where there are mistakes.
    """
    root = root.resolve()
    problems: list[Problem] = []
    if not (root / PROJECT_FILE).is_file():
        problem = Problem(PROJECT_FILE, 0, f"there is no {PROJECT_FILE} in {root}", _below(root))
        return Project(root, "", "", ()), [problem]
    described = toml_files.project_file(root / PROJECT_FILE, problems)
    domains = tuple(
        _Reader(root, folder, prefix, problems).domain() for folder in _domain_folders(root)
    )
    if not domains and any(p.is_dir() and p.name[0] not in "._" for p in root.iterdir()):
        hint = "penstock new source --like sample.json makes one: a folder with bronze/ in it"
        problems.append(Problem(PROJECT_FILE, 0, "the project has no domain", hint))
    project = Project(
        root,
        described.name,
        described.title,
        domains,
        described.inserts_per_second,
        described.settings,
    )
    for domain in domains:
        problems += references.problems(domain, root)
        problems += cases.problems(domain, root)
    if rules:
        problems += broken_rules(project)
    return project, sorted(set(problems))


def _below(root: Path) -> str:
    """Where a project may be meant, when there is none in `root`."""
    if not root.is_dir():
        return "there is no such folder"
    found = sorted(p.parent.name for p in root.glob(f"*/{PROJECT_FILE}"))
    return f"there is one in {found[0]}/" if found else "penstock new makes a project"


def _domain_folders(root: Path) -> list[Path]:
    folders = (p for p in sorted(root.iterdir()) if p.is_dir() and p.name[0] not in "._")
    return [f for f in folders if any((f / part).is_dir() for part in _PARTS)]


class _Reader:
    """Reads the folder of one domain; mistakes go to the list it is given."""

    def __init__(self, root: Path, folder: Path, prefix: str, problems: list[Problem]) -> None:
        self._root, self._folder, self._problems = root, folder, problems
        self._name, self._database = folder.name, prefix + folder.name

    def domain(self) -> Domain:
        """Read the whole folder."""
        self._check_folders()
        relations = tuple(r for stage in STAGES for r in self._relations(stage))
        found = tuple(s for s in map(self._source, self._files("sources", ".toml")) if s)
        into = {s.name: s.into for s in found if s.kind == "http"}
        sources = tuple(
            replace(s, into=s.into or into.get(str(s.options.get("via")), "")) for s in found
        )
        read = tuple(self._endpoint(path) for path in self._files("serve", ".sql"))
        tests = tuple(self._case(path) for path in self._files("tests", ".toml"))
        checks = tuple(self._endpoint(path) for path in self._files("checks", ".sql"))
        rules = tuple(rule for relation in relations for rule in self._rules(relation))
        served = tuple(e for e in read if e)
        return Domain(
            self._name,
            self._database,
            self._folder,
            sources,
            graph.ordered(relations),
            served,
            cases=tuple(c for c in tests if c),
            checks=(*(c for c in checks if c), *rules),
            alerts=tuple(a for a in map(self._alert, self._files("alerts", ".sql")) if a),
            dashboards=self._dashboards(served),
        )

    def _problem(self, path: Path, cause: str, hint: str = "", line: int = 0) -> None:
        self._problems.append(Problem(self._relative(path), line, cause, hint))

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _check_folders(self) -> None:
        if not toml_files.NAME.fullmatch(self._name) or self._name in _RESERVED:
            taken = f"{self._name!r} is a database of ClickHouse's own"
            cause = taken if self._name in _RESERVED else f"{self._name!r} cannot name a domain"
            self._problem(self._folder, cause, toml_files.name_rule(self._name))
        for folder in sorted(p for p in self._folder.iterdir() if p.is_dir()):
            near = nearest(folder.name, _FOLDERS)
            if near and folder.name not in _FOLDERS and folder.name[0] not in "._":
                self._problem(folder, f"unknown folder {folder.name!r}", f"did you mean {near!r}?")

    def _files(self, part: str, suffix: str) -> Iterator[Path]:
        """The files of one part by name; what does not belong there is a mistake."""
        folder = self._folder / part
        allowed = {suffix, ".sql"} if part in ("sources", "dashboards") else {suffix}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name[0] in "._" or path.name == "README.md":
                continue
            if part == "tests" and path.suffix != suffix:
                continue  # files that tests give, tests in Python
            if path.is_dir():
                self._problem(path, f"{part}/ is flat: a folder here is not read", "move its files")
            elif path.suffix not in allowed:
                self._problem(path, f"{part}/ holds {suffix} files", "move it or rename it")
            elif path.suffix == suffix:
                self._check_name(path, part)
                yield path

    def _check_name(self, path: Path, part: str) -> None:
        name = path.stem
        if not toml_files.NAME.fullmatch(name):
            self._problem(path, f"{name!r} is not a name", toml_files.name_rule(name))
        elif part in STAGES and name.endswith(("_mv", "__next")):
            cause = f"{name!r} ends like a name that Penstock gives"
            self._problem(
                path, cause, "_mv is for views inside a file, __next for refreshed tables"
            )

    def _text(self, path: Path) -> statements.Text | None:
        try:
            sql = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            self._problem(path, f"cannot be read: {error}", "save it as UTF-8")
            return None
        return statements.read(self._relative(path), sql)

    def _source(self, path: Path) -> Source | None:
        return toml_files.source_file(path, self._relative(path), self._name, self._problems)

    def _case(self, path: Path) -> cases.Case | None:
        return cases.case_file(path, self._relative(path), self._name, self._problems)

    def _endpoint(self, path: Path) -> Endpoint | None:
        text = self._text(path)
        if text is None:
            return None
        endpoint = endpoints.endpoint(text, path, self._name, self._database)
        self._problems += text.problems
        return endpoint

    def _alert(self, path: Path) -> Alert | None:
        text = self._text(path)
        if text is None:
            return None
        alert = alerts.alert(text, path, self._name, self._database)
        self._problems += text.problems
        return alert

    def _dashboards(self, asked: tuple[Endpoint, ...]) -> tuple[Dashboard, ...]:
        place = (self._name, self._database)
        read = (
            dashboard_files.dashboard_file(p, self._relative(p), place, asked, self._problems)
            for p in self._files("dashboards", ".toml")
        )
        found = tuple(d for d in read if d)
        self._problems += dashboard_files.unused(self._folder / "dashboards", found, self._root)
        return found

    def _rules(self, relation: Relation) -> Iterator[Endpoint]:
        try:
            yield from quality.rules(relation)
        except quality.RuleError as error:
            lines = relation.sql.splitlines()
            line = next((n for n, text in enumerate(lines, 1) if f"{error.key}:" in text), 1)
            self._problem(relation.path, str(error), error.hint, line)

    def _relations(self, stage: Stage) -> Iterator[Relation]:
        for path in self._files(stage, ".sql"):
            text = self._text(path)
            if text is None:
                continue
            meta = header(text, RELATION_KEYS)
            created = [statements.create(text, piece) for piece in text.pieces]
            found = tuple(s for s in created if s)
            if not text.problems:
                _one_relation(text, path.stem, found)
            self._problems += text.problems
            yield Relation(
                self._name, self._database, stage, path.stem, path, text.sql, meta, found
            )


def _one_relation(text: statements.Text, name: str, found: tuple[Statement, ...]) -> None:
    """One file, one relation, its name is the file's name; its view is called `<name>_mv`."""
    if not found:
        text.problem(0, "the file creates nothing", f"CREATE TABLE {name} …")
        return
    for statement in found:
        line = statement.line
        if statement.kind == "materialized_view":
            if statement.target and statement.target != name:
                cause = f"the view writes to {statement.target!r}, another file's table"
                text.problem(line, cause, f"one file, one relation: write TO {name}")
            if statement.name != f"{name}_mv":
                cause = f"the view is called {statement.name!r}"
                text.problem(line, cause, f"call it {name}_mv")
        elif statement.name != name:
            cause = f"the file is called {name}.sql and creates {statement.name!r}"
            text.problem(line, cause, f"one file, one relation: call it {name}")
    mains = [s for s in found if s.kind != "materialized_view"]
    if not mains:
        text.problem(found[0].line, "the file has a view but not its table", f"CREATE TABLE {name}")
    names = [s.name for s in found]
    for statement in found:
        if names.count(statement.name) > 1 and statement is not found[names.index(statement.name)]:
            text.problem(statement.line, f"{statement.name!r} is created twice", "leave one")
