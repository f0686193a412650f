"""Apply: takes the steps of a plan, one after the other, and is safe to repeat.

Each step is judged by what is there, not by memory: a run that was killed is gone on with by
comparing anew, and what is done already is no step any more. The journal remembers what the user
agreed to, so that going on asks nothing twice. One applier at a time.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from penstock.engine.datadir import Ownership
from penstock.errors import EngineDownError, EngineError, RefusedChangeError
from penstock.layers import states
from penstock.layers.expiry import lost
from penstock.layers.forms import REMEMBERED, table
from penstock.layers.plan import Plan, make
from penstock.layers.rewriting import settle
from penstock.layers.states import Consent, databases, digest, live, owners
from penstock.layers.steps import place
from penstock.store.journal import Applied as Memory
from penstock.store.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from penstock.engine.client import Client
    from penstock.layers.states import State
    from penstock.layers.steps import Step
    from penstock.project.objects import Project
    from penstock.store.journal import Journal, Run

_RETURNS, _BREATH = 5, 1.0  # times that an engine is waited for, and seconds before each


@dataclass(frozen=True, slots=True)
class Applied:
    """What one apply did: names as `database.name`, steps in words.

    Attributes:
        created: tables and views that were not there.
        unchanged: those that are as they should be.
        steps: that were taken.
        waiting: backfills that were put off.
    """

    created: tuple[str, ...]
    unchanged: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    waiting: tuple[Step, ...] = ()

    def document(self) -> dict[str, list[str]]:
        """As JSON."""
        changed = [
            f"filled {s.relation} anew from {s.rows:,} rows" if s.kind == "backfill" else s.words
            for s in self.steps
            if s.kind != "create"
        ]
        return {
            "created": list(self.created),
            "changed": changed,
            "unchanged": list(self.unchanged),
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """How far an apply may go, and what it asks of those above it.

    Attributes:
        consent: what the user agreed to.
        unasked: only what needs nobody's consent: creations and metadata (`penstock up`).
        later: whether backfills that were begun are put off, as landing has to start first.
        fingerprint: of the plan that the user saw; another one is not applied.
        quiet: holds the landing while the steps it gets are taken.
        backfill: carries out a step of kind `backfill`, as far as was agreed to, while landing
            goes on; None where nobody does.
    """

    consent: Consent = field(default_factory=Consent)
    unasked: bool = False
    later: bool = False
    fingerprint: str = ""
    quiet: Callable[[Sequence[Step]], AbstractContextManager[None]] = lambda _steps: nullcontext()
    backfill: Callable[[Step, Consent], None] | None = None


def plan(
    project: Project, client: Client, journal: Journal, consent: Consent | None = None
) -> Plan:
    """What `apply` would do.

    Raises:
        InvalidProjectError: the engine refuses a statement of the files.
    """
    run = journal.unfinished()
    agreed = (consent or Consent()) | _accepted(journal, run, digest(project))
    return make(project, _state(project, client, journal), _memory(client, journal), agreed)


def apply(
    project: Project, client: Client, journal: Journal, terms: Terms | None = None
) -> Applied:
    """Bring the database to what the project's files say.

    Raises:
        RefusedChangeError: a change would lose data or needs consent; nothing has been changed.
        DataDirTakenError: another process is applying; names it.
        EngineError: a step failed; the next apply goes on from there.
        InvalidProjectError: the engine refuses a statement of the files.
    """
    terms = terms or Terms()
    with alone(journal):
        # Only what is not there: each write by others than landers ends what is cached of answers.
        there = {row["name"] for row in client.rows("SELECT name FROM system.databases")}
        for name in databases(project):
            if name not in there:
                client.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`")
        found = _attempt(project, client, journal, terms)
        while found is None:  # rows came to a table that the plan took for empty
            found = _attempt(project, client, journal, terms)
        taken, waiting = _sorted(found, terms)
        if not waiting:
            _remember(project, client, journal, found)
            journal.finish()
    created = tuple(s.touched for s in taken if s.kind == "create")
    return Applied(created, found.unchanged, taken, waiting)


def _attempt(project: Project, client: Client, journal: Journal, terms: Terms) -> Plan | None:
    """Make a plan and take its steps; None where it was outdated before one of them."""
    run = journal.unfinished()
    consent = terms.consent | _accepted(journal, run, digest(project))
    have, memory = _state(project, client, journal), _memory(client, journal)
    found = make(project, have, memory, consent)
    _check(project, found, terms, resumed=run is not None and run.digest == found.digest)
    taken, _ = _sorted(found, terms)
    if not taken:
        return found
    run_id = _begin(journal, found, consent)
    for filling, steps in groupby(taken, key=lambda step: step.kind == "backfill"):
        group = list(steps)
        with nullcontext() if filling else terms.quiet(group):
            now = {} if filling else live(client, project).forms
            if any(name in now and now[name].rows for name in found.empty):
                return None
            try:
                for step in group:
                    with _marked(journal, run_id, found.steps.index(step), step):
                        _take(client, step, terms, consent)
                settle(client, databases(project))
            except EngineDownError:
                if not filling:
                    _recover(project, client, journal, terms)
                    return None
                raise
    return found


def _recover(project: Project, client: Client, journal: Journal, terms: Terms) -> None:
    """The engine died half way: what is left is done before landing goes on.

    A batch that came between a table's new name and its view's would block its source, and what
    is left would wait for that batch.

    Raises:
        EngineDownError: it does not come back; the next apply goes on.
    """
    for left in reversed(range(_RETURNS)):
        time.sleep(_BREATH)
        try:
            run = journal.unfinished()
            consent = terms.consent | _accepted(journal, run, digest(project))
            have, memory = _state(project, client, journal), _memory(client, journal)
            for step in make(project, have, memory, consent).steps:
                if step.kind not in ("backfill", "refused"):
                    _take(client, step, terms, consent)
            settle(client, databases(project))
        except EngineDownError:
            if not left:
                raise
        else:
            return


def _sorted(found: Plan, terms: Terms) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps that are taken now, and those that are put off."""
    waiting = tuple(s for s in found.steps if terms.later and s.kind == "backfill")
    return tuple(s for s in found.steps if s not in waiting), waiting


def _state(project: Project, client: Client, journal: Journal) -> State:
    """What is there, and what of it may have let go of rows by age."""
    return replace(live(client, project), lost=lost(project, Ledger(journal.store)))


@contextmanager
def alone(journal: Journal) -> Iterator[None]:
    """Be the only one who changes tables and views, or the rows they were made of.

    Raises:
        DataDirTakenError: another process is at it; names it.
    """
    held = "another process applies changes to this data"
    with Ownership(journal.lock, held=held):
        yield


def _memory(client: Client, journal: Journal) -> Memory:
    """What was applied last; another version of the engine may write the same thing otherwise."""
    applied = journal.applied()
    version = str(client.value("SELECT version() AS version"))
    if applied.version == version:
        return applied
    return Memory("", version, {}, applied.relations)


def _accepted(journal: Journal, run: Run | None, wanted: str) -> Consent:
    """What was agreed to for a run that was cut short, while its files are still the same."""
    if run is None or run.digest != wanted:
        return Consent()
    accepted = Consent.read(run.accepted)
    steps = journal.steps(run.id)
    filled = {s["relation"] for s, state in steps if s["kind"] == "backfill" and state == "done"}
    names = filled | {name.partition(".")[2] for name in filled}
    return replace(accepted, rebuild=accepted.rebuild - names)


def _check(project: Project, found: Plan, terms: Terms, *, resumed: bool) -> None:
    """Refuse, before anything is done, what may not be done."""
    if terms.fingerprint and terms.fingerprint != found.fingerprint:
        raise RefusedChangeError(
            "the files or the database have changed since the plan was shown",
            next_step="look at it again: penstock plan",
        )
    if found.refused:
        raise RefusedChangeError(
            "nothing was applied, as changing it could lose data:\n"
            + "\n".join(_said(project, s) for s in found.refused),
            next_step=f"{found.refused[0].ways}; `penstock plan` shows it all",
        )
    backfills = [s for s in found.steps if s.kind == "backfill"]
    if backfills and (terms.backfill is None or (terms.unasked and not resumed)):
        raise RefusedChangeError(
            "nothing was applied, as a backfill is needed:\n"
            + "\n".join(_said(project, s) for s in backfills),
            next_step=backfills[0].ways,
        )
    undone = [d.name for d in found.drift if d.overwritten and d.now]
    asked = [_said(project, s) for s in found.steps if not s.harmless]
    if terms.unasked and not resumed and (asked or undone):
        raise RefusedChangeError(
            "the files differ from what is stored:\n"
            + "\n".join(asked or [f"  {name} was changed by hand" for name in undone]),
            next_step="look at it with `penstock plan`, and apply it with `penstock apply`",
        )


def _said(project: Project, step: Step) -> str:
    """A step on a line of its own, with the place in the files."""
    where = place(project, step)
    return f"  {step.words} ({where})" if where else f"  {step.words}"


def _begin(journal: Journal, found: Plan, consent: Consent) -> int:
    """Write a run down before its first step; gives its number."""
    # A run that was cut short may have left a table dropped or a view not yet made: whoever goes
    # on with it makes them as this plan would, and takes nothing for new that waits for a backfill.
    relations = frozenset(s.relation for s in found.steps if s.kind != "backfill")
    accepted = consent | Consent(forward_only=relations)
    steps = [step.document() for step in found.steps]
    return journal.begin(found.digest, accepted.document(), str(os.getpid()), steps)


@contextmanager
def _marked(journal: Journal, run: int, number: int, step: Step) -> Iterator[None]:
    """Note in the journal how a step ends."""
    journal.mark(run, number, "running")
    try:
        yield
    except EngineError as error:
        journal.mark(run, number, "failed", error.what)
        raise type(error)(
            f"step {number + 1} failed: {error.what}",
            code=error.code,
            where=step.words,
            next_step=error.next_step
            or "mend it and run `penstock apply` again: it goes on from here",
        ) from error
    journal.mark(run, number, "done")


def _take(client: Client, step: Step, terms: Terms, consent: Consent) -> None:
    database, _, name = step.touched.partition(".")
    if step.kind == "backfill" and terms.backfill is not None:
        terms.backfill(step, consent)
        return
    if step.kind == "create" and client.value(f"EXISTS TABLE {table(database, name)}"):
        return  # made by somebody in between; the next plan says whether it is the right one
    for sql in step.sql:
        client.execute(sql, database=database)


def _remember(project: Project, client: Client, journal: Journal, found: Plan) -> None:
    """Note what is there now, as the engine writes it; the plan after this one starts from it."""
    mine = owners(project)
    version = str(client.value("SELECT version() AS version"))
    rows = client.rows(states.question(databases(project)))
    forms = {f"{r['database']}.{r['name']}": {k: r[k] for k in REMEMBERED} for r in rows}
    kept = {name: form for name, form in forms.items() if name in mine}
    missing = [name for name in mine if name not in kept]
    if missing:
        raise EngineError(
            f"{', '.join(missing)} is not there after it was applied",
            next_step="run `penstock apply` again",
        )
    memory = Memory(found.digest, version, kept, {name: mine[name] for name in kept})
    before = journal.applied()
    if (before.digest, before.version, before.forms) != (memory.digest, version, kept):
        journal.remember(memory)
