"""The plan: what `apply` would do, and why it may not.

::

    files ──draft──▶ wanted ┐                                   ┌ steps (labelled, with SQL)
                            ├─ renames ─ difference ─ rehearsal ┤
    engine ────────▶ have   ┘                                   └ refusals
    journal ───────▶ what was applied last ─ drift

Both sides are in the engine's own normal form, so nothing is compared but what it wrote. Before a
plan is shown it is rehearsed: its statements run on empty copies of what is there, and must come
to what the files mean. A plan that the engine would refuse half way is never begun.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from penstock.engine.draft import Draft
from penstock.errors import InvalidProjectError, Problem
from penstock.layers import forms
from penstock.layers.difference import Difference
from penstock.layers.forms import differing, table
from penstock.layers.states import State, databases, digest, owners, question, remembered
from penstock.layers.steps import RENAME, Step, readers
from penstock.project.lexer import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from penstock.layers.forms import Form
    from penstock.layers.states import Consent
    from penstock.project.objects import Project, Relation
    from penstock.store.journal import Applied


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that was changed by hand since it was applied.

    Attributes:
        name: `database.table`.
        words: what differs.
        applied: its CREATE as it was applied; empty where it was not.
        now: its CREATE as it is; empty where it is gone.
        overwritten: whether the plan's steps would undo it.
    """

    name: str
    words: str
    applied: str
    now: str
    overwritten: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done.

    Attributes:
        steps: in order.
        drift: what was changed by hand.
        unchanged: `database.table` of what is there as it should be.
        digest: of the files it is for.
        empty: tables that held no row: what may be done to them may not be done to others.
    """

    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()
    unchanged: tuple[str, ...] = ()
    digest: str = ""
    empty: frozenset[str] = frozenset()

    @property
    def refused(self) -> list[Step]:
        """What cannot be done."""
        return [step for step in self.steps if step.label == "refused"]

    @property
    def fingerprint(self) -> str:
        """Of what it does: who agreed to a plan agreed to this."""
        said = [[s.kind, s.label, s.touched, *s.sql] for s in self.steps]
        return hashlib.sha256(json.dumps([self.digest, said]).encode()).hexdigest()[:16]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "changes": len(self.steps),
            "steps": [step.document() for step in self.steps],
            "drift": [
                {
                    "name": d.name,
                    "what": d.words,
                    "applied": d.applied,
                    "now": d.now,
                    "overwritten": d.overwritten,
                }
                for d in self.drift
            ],
            "unchanged": list(self.unchanged),
            "fingerprint": self.fingerprint,
        }


def make(project: Project, have: State, applied: Applied, consent: Consent) -> Plan:
    """Compare a project's files with what is there.

    Args:
        project: sound.
        have: read from the engine.
        applied: what the journal remembers.
        consent: of the user.

    Raises:
        InvalidProjectError: the engine refuses a statement of the files.
    """
    return _Making(project, have, applied, consent).plan()


@dataclass
class _Making:
    project: Project
    have: State
    applied: Applied
    consent: Consent
    wanted: Mapping[str, Form] = field(default_factory=dict)

    def plan(self) -> Plan:
        mine = owners(self.project)
        now = digest(self.project)
        last = remembered(self.applied)
        if now == self.applied.digest and mine.keys() <= last.keys():
            # The same words mean the same: no draft is needed to see that nothing differs.
            self.wanted = {name: last[name] for name in mine}
            steps = self._difference(self.have).steps()
        elif not mine.keys() & self.have.forms.keys() and not self._renames():
            steps = self._difference(self.have).steps()
        else:
            steps = self._drafted()
        if steps and any(s.kind not in ("create", "backfill", "refused") for s in steps):
            steps = self._drafted()
        touched = {s.touched for s in steps} | {s.relation for s in steps if s.kind == "backfill"}
        same = [n for n in mine if n in self.have.forms and n not in touched]
        tables = {n: f for n, f in self.have.forms.items() if f.kind == "table"}
        empty = frozenset(n for n, f in tables.items() if not f.rows)
        return Plan(tuple(steps), tuple(self._drift(last)), tuple(same), now, empty)

    def _difference(self, have: State) -> Difference:
        return Difference(self.project, have, self.wanted, self.applied.relations, self.consent)

    def _drafted(self) -> list[Step]:
        with Draft() as draft:
            self.wanted = self._meaning(draft)
            renames, have = self._renamed(draft)
            # What was renamed belongs to its new file.
            moved = {old: new for step in renames for old, new in self._moves(step)}
            relations = {moved.get(n, n): of for n, of in self.applied.relations.items()
                         if n not in moved}  # fmt: skip
            self.applied = replace(self.applied, relations=relations)
            difference = self._difference(have)
            steps = [*renames, *difference.steps()]
            for _ in range(2):  # the second time round only where a step was replaced by another
                again = self._rehearsed(draft, steps, difference)
                if again == steps:
                    break
                steps = again
        return steps

    def _meaning(self, draft: Draft) -> dict[str, Form]:
        """What the files mean, in the engine's words."""
        statements = [(r, s) for r in self.project.relations() for s in r.statements]
        outcome = draft.run(
            databases(self.project),
            [(r.database, s.sql) for r, s in statements],
            question(databases(self.project)),
        )
        if outcome.refused:
            raise InvalidProjectError(
                [
                    Problem(
                        statements[i][0].path.relative_to(self.project.root).as_posix(),
                        statements[i][1].line,
                        why,
                    )
                    for i, why in outcome.refused.items()
                ]
            )
        return _by_name(outcome.rows)

    def _renames(self) -> list[Step]:
        """The renames that files ask for and that have not been made."""
        found: list[Step] = []
        for relation in self.project.relations():
            now = f"{relation.database}.{relation.name}"
            before = f"{relation.database}.{relation.header.text('renamed_from')}"
            there = now if now in self.have.forms else before
            if there == before and before in self.have.forms:
                found.append(self._rename(relation, before, now))
            if there in self.have.forms and relation.table is not None:
                found += self._rename_columns(relation, self.have.forms[there])
        return found

    def _rename(self, relation: Relation, before: str, now: str) -> Step:
        """A relation and its views get their new names in one statement."""
        database, old = relation.database, before.partition(".")[2]
        form = self.have.forms[before]
        pairs = [(old, relation.name)]
        if f"{before}_mv" in self.have.forms and relation.views:
            pairs.append((f"{old}_mv", f"{relation.name}_mv"))
        moves = ", ".join(f"{table(database, a)} TO {table(database, b)}" for a, b in pairs)
        word = "DICTIONARY" if form.kind == "dictionary" else "TABLE"
        words = f"renames {before} to {now}; its {form.rows:,} rows stay where they are"
        sql = f"RENAME {word} {moves}"
        who = readers(self.project, database, relation.name)
        return Step(now, "rename", "metadata", words, (sql,), now, readers=who, phase=RENAME)

    def _rename_columns(self, relation: Relation, form: Form) -> Iterable[Step]:
        hints = relation.header.values.get("renames")
        shape = relation.table
        if not isinstance(hints, dict) or shape is None:
            return
        name = f"{relation.database}.{relation.name}"
        for old, new in ((str(k), str(v)) for k, v in hints.items()):
            if old not in form.columns or new in form.columns or not shape.column(new):
                continue
            sql = f"ALTER TABLE {table(relation.database, relation.name)} RENAME COLUMN IF EXISTS "
            sql += f"{quoted(old)} TO {quoted(new)}"
            words = f"renames column {old} of {name} to {new}; its values stay where they are"
            who = readers(self.project, relation.database, relation.name)
            yield Step(name, "rename", "metadata", words, (sql,), name, readers=who, phase=RENAME)

    def _moves(self, step: Step) -> Iterable[tuple[str, str]]:
        """Old and new full names of what a rename of a relation moves."""
        if not step.sql or not step.sql[0].startswith("RENAME "):
            return
        database, name = step.touched.split(".", 1)
        relation = next(r for r in self.project.relations()
                        if (r.database, r.name) == (database, name))  # fmt: skip
        old = f"{database}.{relation.header.text('renamed_from')}"
        yield old, step.touched
        if f"{old}_mv" in self.have.forms:
            yield f"{old}_mv", f"{step.touched}_mv"

    def _renamed(self, draft: Draft) -> tuple[list[Step], State]:
        """The renames, tried, and what is there once they are made."""
        steps = self._renames()
        if not steps:
            return [], self.have
        there = [("", form.created) for form in self.have.forms.values()]
        script = [(_database(step), step.sql[0]) for step in steps]
        outcome = draft.run(
            databases(self.project), script, question(databases(self.project)), there=there
        )
        done = [
            _refused(step, outcome.refused[i]) if i in outcome.refused else step
            for i, step in enumerate(steps)
        ]
        found = _by_name(outcome.rows)
        moved = {old: new for step in done for old, new in self._moves(step)}
        sized = {}
        for old, form in self.have.forms.items():
            new = moved.get(old, old)
            sized[new] = replace(found.get(new, form), rows=form.rows, bytes=form.bytes)
        sizes = {moved.get(old, old): size for old, size in self.have.sizes.items()}
        return done, State(sized, sizes)

    def _rehearsed(self, draft: Draft, steps: list[Step], difference: Difference) -> list[Step]:
        """Run the steps on empty copies; those that fail, or do not arrive, are put otherwise."""
        script = [(i, sql) for i, step in enumerate(steps) for sql in self._script(step)]
        outcome = draft.run(
            databases(self.project),
            [(_database(steps[i]), sql) for i, sql in script],
            question(databases(self.project)),
            there=[("", form.created) for form in self.have.forms.values()],
        )
        failed = {script[i][0]: why for i, why in outcome.refused.items()}
        arrived = _by_name(outcome.rows)
        # A view whose table is gone cannot be copied, and what is done to it cannot be tried.
        lame = {sql for _, sql in outcome.unmade}
        lame_names = {name for name, form in self.have.forms.items() if form.created in lame}
        why_not: dict[str, str] = {}
        for index, why in failed.items():
            step = steps[index]
            if step.label not in ("refused", "backfill") and step.touched not in lame_names:
                why_not.setdefault(step.relation, f"the engine refuses it: {why}")
        settled = {s.relation for s in steps if s.label in ("refused", "backfill")}
        for name, form in self.wanted.items():
            owner = owners(self.project)[name]
            there = arrived.get(name)
            pieces = list(differing(there, form)) if there is not None else ["it is missing"]
            if pieces and owner not in settled and name not in lame_names:
                why_not.setdefault(owner, f"the engine does not arrive at {', '.join(pieces)}")
        return self._replaced(steps, why_not, difference)

    def _replaced(
        self, steps: list[Step], why_not: dict[str, str], difference: Difference
    ) -> list[Step]:
        """The steps, those of a relation that they do not bring to its file put otherwise."""
        found: list[Step] = []
        settled: set[str] = set()
        for step in steps:
            why = why_not.get(step.relation)
            if why is None or step.label in ("refused", "backfill"):
                found.append(step)
                continue
            whole = self._otherwise(step, why, difference)
            if not whole:
                found.append(_refused(step, why))
            elif step.touched != step.relation and whole[0].kind == "recreate":
                found.append(step)  # the view of a table that is made anew follows its name
            elif step.relation not in settled:
                settled.add(step.relation)
                found += [replace(s, readers=step.readers) for s in whole]
        silent = why_not.keys() - {step.relation for step in steps}
        for name in sorted(silent):
            step = Step(name, "refused", "refused", f"changes {name}", touched=name)
            found.append(_refused(step, why_not[name]))
        return found

    def _otherwise(self, step: Step, why: str, difference: Difference) -> list[Step]:
        """What stands for all steps of a relation that cannot be altered in place."""
        relation = self._relation(step.relation)
        have = difference.have.forms.get(step.relation)
        if relation is None or have is None or step.phase == RENAME:
            return []
        if have.rows == 0 and have.kind == "table" and step.kind != "recreate":
            return list(difference.recreate(relation, why))
        return [difference.backfill(relation, why)] if difference.fillable(relation) else []

    def _script(self, step: Step) -> Iterable[str]:
        """What a step comes to on a draft; others go on from what it would leave."""
        relation = self._relation(step.relation)
        if step.label not in ("refused", "backfill"):
            return step.sql
        if relation is None or step.kind == "drop":
            return ()
        drops = [f"DROP TABLE IF EXISTS {table(relation.database, s.name)}"
                 for s in reversed(relation.statements)]  # fmt: skip
        return [*drops, *(s.sql for s in relation.statements)]

    def _relation(self, name: str) -> Relation | None:
        return next((r for r in self.project.relations() if f"{r.database}.{r.name}" == name), None)

    def _drift(self, last: Mapping[str, Form]) -> Iterable[Drift]:
        """What differs from what was applied last, and what nobody applied."""
        for name, before in last.items():
            now = self.have.forms.get(name)
            if now is None:
                back = name in self.wanted or name in owners(self.project)
                yield Drift(name, "it was dropped by hand", before.created, "", overwritten=back)
                continue
            found = differing(before, now)
            if not found:
                continue
            want = self.wanted.get(name)
            undone = set(differing(now, want)) & set(found) if want else set()
            said = "; ".join(_said(piece, *texts) for piece, texts in found.items())
            yield Drift(name, said, before.created, now.created, overwritten=bool(undone))
        mine = owners(self.project)
        for name, form in self.have.forms.items():
            if last and name not in last and name not in mine and "__" not in form.name:
                words = "it was made by hand; it is left alone"
                yield Drift(name, words, "", form.created, overwritten=False)


def _said(piece: str, before: str, now: str) -> str:
    if not before:
        return f"{piece} was added: {now}"
    return f"{piece} was {before}, is {now}" if now else f"{piece} was dropped: {before}"


def _by_name(rows: Iterable[Mapping[str, Any]]) -> dict[str, Form]:
    return {form.full_name: form for form in map(forms.read, rows)}


def _database(step: Step) -> str:
    return step.relation.partition(".")[0]


def _refused(step: Step, why: str) -> Step:
    ways = step.ways or "change the file so that it can be reached, or use another name"
    words = f"{step.words}: {why}"
    return replace(step, kind="refused", label="refused", words=words, sql=(), ways=ways)
