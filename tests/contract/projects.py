"""A project on disk that tests change file by file, with the engine it is applied to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.layers import apply as applying
from penstock.layers.apply import Applied, Terms
from penstock.layers.states import Consent
from penstock.project import load
from penstock.store.database import Store
from penstock.store.journal import Journal

if TYPE_CHECKING:
    from penstock.engine.client import Client
    from penstock.layers.plan import Plan
    from penstock.layers.steps import Step
    from penstock.project.objects import Project

SQL = Path(__file__).with_name("sql")


@dataclass
class Changing:
    """A project of one domain, its database and its journal.

    Attributes:
        root: the project's folder.
        domain: its only domain, a database of its own.
        client: to the engine.
    """

    root: Path
    domain: str
    client: Client
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "penstock.toml").write_text(f'name = "{self.domain}"\n')
        self.store = Store.open(self.root / "store" / "penstock.db")
        self.journal = Journal(self.store, self.root / "store")

    def write(self, file: str, text: str) -> None:
        """A file, named `stage/relation`."""
        path = self.root / self.domain / f"{file}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write_all(self, name: str) -> int:
        """The files of `sql/{name}.sql`; gives how many statements they hold."""
        text = (SQL / f"{name}.sql").read_text("utf-8")
        for block in re.split(r"^-- file: ", text, flags=re.MULTILINE)[1:]:
            file, _, sql = block.partition("\n")
            self.write(file.strip(), sql)
        return sum(len(relation.statements) for relation in self.project().relations())

    def remove(self, file: str) -> None:
        (self.root / self.domain / f"{file}.sql").unlink()

    def project(self) -> Project:
        return load(self.root, rules=False)

    def plan(self, **agreed: frozenset[str]) -> Plan:
        return applying.plan(self.project(), self.client, self.journal, Consent(**agreed))

    def step(self, **agreed: frozenset[str]) -> Step:
        """The only step of the plan."""
        steps = self.plan(**agreed).steps
        assert len(steps) == 1, [s.words for s in steps]
        return steps[0]

    def apply(self, **agreed: frozenset[str]) -> Applied:
        terms = Terms(Consent(**agreed))
        return applying.apply(self.project(), self.client, self.journal, terms)

    def arrive(self, **agreed: frozenset[str]) -> list[Step]:
        """Apply, and make sure that nothing is left to do, with and without a memory of it."""
        applied = self.apply(**agreed)
        again = self.plan()
        assert not again.steps, [s.words for s in again.steps]
        assert not again.drift
        return list(applied.steps)

    def do(self, *statements: str) -> None:
        for statement in statements:
            self.client.execute(statement, database=self.domain)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.client.rows(sql, database=self.domain)

    def close(self) -> None:
        self.client.execute(f"DROP DATABASE IF EXISTS `{self.domain}` SYNC")
        self.client.close()
        self.store.close()
