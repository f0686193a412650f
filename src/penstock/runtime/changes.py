"""Plans and applies for a platform: with its landing held, on a running one or before it lands."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from penstock.errors import RefusedChangeError
from penstock.layers import apply as applying
from penstock.layers import backfill as backfills
from penstock.layers.landing import Hooks, Target
from penstock.store.backfills import Backfills

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from penstock.engine.client import Client
    from penstock.layers.apply import Applied, Terms
    from penstock.layers.landing import Lander
    from penstock.layers.plan import Plan
    from penstock.layers.states import Consent
    from penstock.layers.steps import Step
    from penstock.project.objects import Project
    from penstock.store.backfills import Backfill
    from penstock.store.journal import Journal
    from penstock.store.ledger import Ledger


@dataclass
class Changes:
    """Changes of one platform's database.

    Attributes:
        project: the files; a later state of them may be given to each call.
        client: to the engine.
        journal: of applies.
        ledger: of batches.
        landers: to be held.
        audit: starts the landers; has to pass before a batch that a crash left open is landed.
        hooks: heal the engine after a failed insert.
        stop: is set when the platform stops.
        slice_rows: rows of one slice of a backfill.
        landing: whether the landers run.
        filling: relation → (slices stored, slices in all) of backfills that run.
        progress: is told of each slice: the relation and the same numbers.
    """

    project: Project
    client: Client
    journal: Journal
    ledger: Ledger
    landers: list[Lander]
    audit: Callable[[], None]
    hooks: Hooks = field(default_factory=Hooks)
    stop: threading.Event = field(default_factory=threading.Event)
    slice_rows: int = 1_000_000
    landing: bool = False
    filling: dict[str, tuple[int, int]] = field(default_factory=dict)
    progress: Callable[[str, int, int], None] = lambda _relation, _done, _all: None

    def plan(self, consent: Consent | None = None, project: Project | None = None) -> Plan:
        """What an apply would do."""
        return applying.plan(project or self.project, self.client, self.journal, consent)

    def apply(self, terms: Terms, project: Project | None = None) -> Applied:
        """Bring the database to what the files say, with the landing held meanwhile."""
        wanted = project or self.project
        backfills.settle(wanted, self._means(wanted))
        if not self.landing and (self.ledger.open_intents() or self.ledger.replaying()):
            self._recover(self.plan(terms.consent, wanted).steps)
        held = replace(
            terms,
            quiet=partial(self._quiet, wanted),
            backfill=partial(self._backfill, wanted),
        )
        applied = applying.apply(wanted, self.client, self.journal, held)
        if not applied.steps:  # what a source lands in may have changed all the same
            with self._quiet(wanted, ()):
                pass
        if not applied.waiting:  # nobody asks for the others any more
            backfills.settle(wanted, self._means(wanted), keep=False)
        self.project = wanted
        self.ledger.bump(sorted({step.touched for step in applied.steps}))
        return applied

    def _backfill(self, wanted: Project, step: Step, consent: Consent) -> None:
        """Carry out a step of kind `backfill`, with landing held for moments only."""
        names = {f"{r.database}.{r.name}": r for r in wanted.relations()}
        carry = consent.names("carry", step.relation)
        order = backfills.Wanted(names[step.relation], step.sql, carry)
        try:
            backfills.backfill(wanted, order, self._means(wanted))
        finally:
            self.filling.pop(step.relation, None)

    def _note(self, found: Backfill) -> None:
        self.filling[found.relation] = (found.done, len(found.work.slices))
        self.progress(found.relation, *self.filling[found.relation])

    def _means(self, wanted: Project) -> backfills.Means:
        return backfills.Means(
            self.client,
            Backfills(self.journal.store),
            self.ledger.last_batch,
            partial(self._quiet, wanted, None),
            partial(self._quiet, wanted, ()),
            self.hooks.engine_starts,
            self.hooks.restart_engine,
            self.stop,
            self._note,
            self.slice_rows,
        )

    def _recover(self, steps: Sequence[Step]) -> None:
        """Land what a crash left open, before views come or go; a plan made before is outdated.

        A replay is gone on with before any step: bronze has to judge its records as it did.
        """
        if any(step.quiet for step in steps) or (steps and self.ledger.replaying()):
            self.audit()
            for lander in self.landers:
                lander.recover()

    @contextmanager
    def _quiet(self, wanted: Project, steps: Sequence[Step] | None) -> Iterator[None]:
        """Hold the landing; where views come and go, no batch may be half stored either.

        A view that is made between two tries of a batch gets the second try's rows, though its
        backfill counts them as well.

        Args:
            wanted: the files that are to be.
            steps: to be taken meanwhile; None where they are a backfill's own.
        """
        needed = steps is None or any(step.quiet for step in steps)
        sources = [lander.source for lander in self.landers]
        targets = [Target.of(wanted, source.domain, source.name) for source in sources]
        with ExitStack() as held:
            for lander in self.landers:
                held.enter_context(lander.hold)
            still = self.ledger.open_intents()
            if needed and still:
                raise RefusedChangeError(
                    f"batch {still[0].batch} is being stored and has failed {still[0].attempts} "
                    f"times: {still[0].error}",
                    next_step="mend what it names first; a change of a view's SELECT alone is "
                    "applied all the same",
                )
            if (needed or self._rejudges(wanted, steps or ())) and self.ledger.replaying():
                raise RefusedChangeError(
                    "a replay of dead letters has not come to its end",
                    next_step="go on with it first: penstock dead-letters replay; a change of a "
                    "view's SELECT alone is applied all the same",
                )
            yield
            for lander, target in zip(self.landers, targets, strict=True):
                lander.target = target  # what a batch changes from now on

    def _rejudges(self, wanted: Project, steps: Sequence[Step]) -> bool:
        """Whether bronze may judge a record otherwise after some steps."""
        bronze = {f"{r.database}.{r.name}" for r in wanted.relations() if r.stage == "bronze"}
        return any(step.touched in bronze for step in steps)
