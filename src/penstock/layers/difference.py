"""The difference of two states, relation by relation: what is new, what changes, what is left over.

Pure: `have` and `wanted` are forms, the project says which file each belongs to and who reads whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from penstock.layers import alters, fillable
from penstock.layers.alters import Between
from penstock.layers.forms import differing, table
from penstock.layers.states import Consent
from penstock.layers.steps import LOSE, Label, Step, readers
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.layers.forms import Form
    from penstock.layers.states import State
    from penstock.project.objects import Project, Relation, Statement

_WORD = {"materialized_view": "VIEW", "view": "VIEW", "dictionary": "DICTIONARY", "table": "TABLE"}
_LAST = ("materialized_view", "view", "dictionary", "table")
_WAYS_BACKFILL = (
    "`penstock apply --forward-only {name}` takes rows from now on only; stored ones stay as "
    "they are"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two states and what is agreed about the way from one to the other.

    Attributes:
        project: the files.
        have: what is there.
        wanted: what the files mean, as the engine writes it; what is missing in it is taken from
            the files as it is created.
        owners: `database.table` → relation, of what was applied before.
        consent: of the user.
    """

    project: Project
    have: State
    wanted: Mapping[str, Form]
    owners: Mapping[str, str] = field(default_factory=dict)
    consent: Consent = field(default_factory=Consent)

    def steps(self) -> list[Step]:
        """Everything that differs, in the order in which it can be taken."""
        found = [s for relation in self.project.relations() for s in self.relation(relation)]
        found += self.left_over()
        known = [self._known(step) for step in found]
        losing = [s for s in known if s.phase == LOSE]
        columns = [s for s in reversed(losing) if s.kind != "drop"]  # readers before what they read
        return [s for s in known if s.phase != LOSE] + columns + [
            s for s in losing if s.kind == "drop"
        ]  # fmt: skip

    def relation(self, relation: Relation) -> Iterator[Step]:
        """The steps of one file."""
        main = relation.main
        if main is None:
            return
        reason = self._backfill(relation)
        if reason:
            yield self.backfill(relation, reason)
            return
        have = self.have.forms.get(f"{relation.database}.{main.name}")
        if have is None:
            yield self._create(relation, main)
        else:
            yield from self._main(relation, have)
        for view in relation.views:
            yield from self._view(relation, view)
        yield from self._views_gone(relation)

    def backfill(self, relation: Relation, reason: str) -> Step:
        """The step that somebody else carries out: build it anew from what it reads."""
        upstream = self._upstream(relation)
        name = f"{relation.database}.{relation.name}"
        words = f"{reason}; it is filled from "
        words += " and ".join(f"{f.full_name} ({f.rows:,} rows)" for f in upstream)
        step = Step(
            name,
            "backfill",
            "backfill",
            words,
            tuple(sql for view in self._views_gone(relation) for sql in view.sql),
            touched=name,
            rows=sum(f.rows for f in upstream),
            bytes=sum(f.bytes for f in upstream),
            ways=_WAYS_BACKFILL.format(name=name),
        )
        obstacle = fillable.obstacle(self.project, relation, self.have, self.consent)
        if obstacle is None:
            return step
        why, ways = obstacle
        return replace(step, kind="refused", label="refused", words=f"{words}: {why}", sql=(),
                       ways=ways.format(name=name))  # fmt: skip

    def recreate(self, relation: Relation, why: str) -> Iterator[Step]:
        """An empty table is made anew; what cannot be altered in place costs nothing then."""
        main = relation.main
        if main is None:
            return
        name = f"{relation.database}.{main.name}"
        words = f"makes {name} anew, as it holds no rows: {why}"
        drop = (
            f"DROP {_word(self.have.forms[name])} IF EXISTS {table(relation.database, main.name)}"
        )
        yield Step(name, "recreate", "metadata", words, (drop, main.sql), name)

    def fillable(self, relation: Relation) -> bool:
        """Whether a gold table can be built anew from what feeds it."""
        return relation.stage == "gold" and bool(relation.views) and bool(self._upstream(relation))

    def _known(self, step: Step) -> Step:
        database, _, name = step.relation.partition(".")
        return replace(step, readers=readers(self.project, database, name))

    def _upstream(self, relation: Relation) -> list[Form]:
        """What a relation's materialized views read, where it holds rows."""
        names = dict.fromkeys(name for view in relation.views for name in view.reads)
        found = (self.have.forms.get(f"{relation.database}.{name}") for name in names)
        return [f for f in found if f is not None and f.kind == "table" and f.rows]

    def _backfill(self, relation: Relation) -> str:
        """Why a relation needs a backfill, or an empty text."""
        name = f"{relation.database}.{relation.name}"
        forward = self.consent.names("forward_only", name)
        if not self._upstream(relation) or forward or relation.stage == "bronze":
            return ""
        if self.consent.names("rebuild", name):
            return f"{name} is to be built anew"
        return self._never_filled(relation) or self._built_otherwise(relation)

    def _never_filled(self, relation: Relation) -> str:
        """A table or a view that is not there has not taken the rows that are."""
        name = f"{relation.database}.{relation.name}"
        if name not in self.have.forms:
            return f"{name} is new, and rows it would have taken are stored already"
        for view in relation.views:
            if f"{relation.database}.{view.name}" not in self.have.forms:
                missing = f"view {view.name} is not there"
                return f"{missing}: rows that came without it are not in {name}"
        return ""

    def _built_otherwise(self, relation: Relation) -> str:
        """A gold table whose stored rows do not fit what its file makes of it."""
        name = f"{relation.database}.{relation.name}"
        want = self.wanted.get(name)
        if relation.stage != "gold" or want is None or want.kind != "table":
            return ""
        between = self._between(self.have.forms[name], want)
        keys = alters.rekeyed(between)
        if keys and not between.empty:
            return f"{' and '.join(keys)} of {name} changes"
        if alters.reshaped(between) and self._queries_differ(relation):
            return f"the columns of {name} and what its view computes change"
        if any(s.label == "refused" and not _drops(s) for s in alters.alters(between)):
            return f"a column of {name} changes its type"
        return ""

    def _queries_differ(self, relation: Relation) -> bool:
        pairs = ((self.have.forms.get(f"{relation.database}.{v.name}"),
                  self.wanted.get(f"{relation.database}.{v.name}"))
                 for v in relation.views)  # fmt: skip
        return any(a and b and a.query != b.query for a, b in pairs)

    def _between(self, have: Form, want: Form) -> Between:
        sizes = self.have.sizes.get(have.full_name, {})
        columns = [*have.columns]
        agreed = frozenset(
            f"{want.full_name}.{c}"
            for c in columns
            if {f"{want.full_name}.{c}", f"{want.name}.{c}"} & self.consent.drop
        )
        return Between(have, want, sizes, agreed)

    def _create(self, relation: Relation, statement: Statement) -> Step:
        name = f"{relation.database}.{statement.name}"
        words = f"creates {_KIND[statement.kind]} {name}"
        owner = f"{relation.database}.{relation.name}"
        label: Label = "metadata"
        if statement.kind == "materialized_view" and self._upstream(relation):
            label = "forward-only"
            words += "; it takes rows from now on"
        return Step(owner, "create", label, words, (statement.sql,), name)

    def _main(self, relation: Relation, have: Form) -> Iterator[Step]:
        want = self.wanted.get(have.full_name)
        if want is None or not differing(have, want):
            return
        if have.kind != want.kind:
            yield from self._other_kind(relation, have, want)
        elif want.kind == "table":
            yield from self._table(relation, have, want)
        elif want.kind == "view":
            words = f"replaces view {have.full_name}; nothing is stored in it"
            yield _replaced(have, want, words)
        else:
            words = f"replaces dictionary {have.full_name}; it is loaded anew"
            yield _replaced(have, want, words)

    def _other_kind(self, relation: Relation, have: Form, want: Form) -> Iterator[Step]:
        words = f"makes {have.full_name} a {_KIND[want.kind]}; it is a {_KIND[have.kind]}"
        if have.rows:
            ways = "write the new one under another name, and drop this one by name"
            yield Step(have.full_name, "refused", "refused", f"{words} of {have.rows:,} rows",
                       (), have.full_name, ways=ways)  # fmt: skip
        else:
            yield from self.recreate(relation, words)

    def _table(self, relation: Relation, have: Form, want: Form) -> Iterator[Step]:
        between = self._between(have, want)
        keys = alters.rekeyed(between)
        if not keys:
            yield from alters.alters(between)
        elif between.empty:
            yield from self.recreate(relation, f"{' and '.join(keys)} differs")
        else:
            yield alters.refused_keys(between, keys)

    def _view(self, relation: Relation, view: Statement) -> Iterator[Step]:
        """A materialized view of a relation: what it computes from now on."""
        owner = f"{relation.database}.{relation.name}"
        name = f"{relation.database}.{view.name}"
        have, want = self.have.forms.get(name), self.wanted.get(name)
        if have is None:
            yield self._create(relation, view)
            return
        if want is None:
            return
        found = differing(have, want)
        label: Label = "forward-only" if self._upstream(relation) else "metadata"
        stays = f"; rows that {owner} holds stay as they are"
        if {"kind", "head"} & set(found):
            yield replace(_replaced(have, want, f"replaces view {name}{stays}"),
                          relation=owner, label=label)  # fmt: skip
            return
        if set(found) - {"comment"}:
            sql = f"ALTER TABLE {table(want.database, want.name)} MODIFY QUERY {want.query}"
            words = f"changes what view {name} computes, for rows from now on{stays}"
            yield Step(owner, "alter", label, words, (sql,), name)
        if "comment" in found:
            sql = f"ALTER TABLE {table(want.database, want.name)} MODIFY COMMENT "
            words = f"sets the comment of {name}; metadata only"
            yield Step(owner, "alter", "metadata", words, (sql + literal(want.comment),), name)

    def _views_gone(self, relation: Relation) -> Iterator[Step]:
        """Views that a file had and has no longer: their table stays as it is."""
        owner = f"{relation.database}.{relation.name}"
        kept = {f"{relation.database}.{s.name}" for s in relation.statements}
        for name, of in self.owners.items():
            form = self.have.forms.get(name)
            if of == owner and name not in kept and form and form.kind == "materialized_view":
                words = f"drops view {name}, which its file no longer has; {owner} gets no rows"
                sql = f"DROP VIEW IF EXISTS {table(form.database, form.name)}"
                yield Step(owner, "view", "forward-only", words, (sql,), name)

    def left_over(self) -> Iterator[Step]:
        """Relations that were applied once and whose file is gone."""
        files = {f"{r.database}.{r.name}" for r in self.project.relations()}
        gone: dict[str, list[Form]] = {}
        for name, owner in self.owners.items():
            form = self.have.forms.get(name)
            if form is not None and owner not in files:
                gone.setdefault(owner, []).append(form)
        for owner, found in gone.items():
            rows, size = sum(f.rows for f in found), sum(f.bytes for f in found)
            words = f"drops {owner} with its {rows:,} rows: its file is gone"
            if not self.consent.names("drop", owner):
                ways = f"say it: --drop {owner}; or, if it has another name now, write "
                ways += f"`renamed_from: {owner.partition('.')[2]}` in the header of its file"
                yield Step(owner, "refused", "refused", words, (), owner, rows, size, ways=ways)
                continue
            found.sort(key=lambda f: _LAST.index(f.kind))
            sql = [f"DROP {_word(f)} IF EXISTS {table(f.database, f.name)}" for f in found]
            yield Step(
                owner, "drop", "forward-only", words, tuple(sql), owner, rows, size, phase=LOSE
            )


_KIND = {
    "table": "table",
    "materialized_view": "view",
    "view": "view",
    "dictionary": "dictionary",
}


def _word(form: Form) -> str:
    return _WORD[form.kind]


def _drops(step: Step) -> bool:
    return step.words.startswith("drops ")


def _replaced(have: Form, want: Form, words: str) -> Step:
    """CREATE OR REPLACE: the engine exchanges it in one go."""
    sql = "CREATE OR REPLACE " + want.created.removeprefix("CREATE ")
    return Step(have.full_name, "view", "metadata", words, (sql,), have.full_name)
