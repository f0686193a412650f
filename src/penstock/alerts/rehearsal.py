"""A rehearsal: an alert looked at as if it were then, over and over, through a span of the past.

By the same query with its clock stopped, and the same steps from pending to resolved; nothing is
kept and nobody is told. Of tables that know when a row arrived, rows are left out that had not come
by then. Other tables are seen as they are now: an alert on one whose rows of the past change, as a
gold of latest values, cannot be rehearsed faithfully.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.alerts import look
from penstock.errors import UsageError
from penstock.project import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.engine.client import Client
    from penstock.project.objects import Alert, Project, Relation
    from penstock.store.incidents import Incident

_ARRIVED = "_ingested_at"


@dataclass
class Course:
    """What an alert says through a series of looks; nothing of it is stored.

    Attributes:
        alert: that is looked at.
        opened: key → the incident that is pending or fires.
        fired: each incident that fired, as it is now, in the order in which they did.
    """

    alert: Alert
    opened: dict[str, Incident] = field(default_factory=dict)
    fired: list[Incident] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def look(self, client: Client, at_ms: int, settings: dict[str, str] | None = None) -> None:
        """Look once, as at that time."""
        rows = look.ask(self.alert, client, at_ms, settings)
        found = look.compare(self.alert, rows, list(self.opened.values()), at_ms)
        for incident in found.forgotten:
            del self.opened[incident.key]
        for incident in found.changed:
            self._note(incident)

    def _note(self, incident: Incident) -> None:
        key = incident.key
        if incident.fired_ms is not None:
            number = self._numbers.setdefault(key, len(self.fired))
            self.fired[number : number + 1] = [incident]
        if incident.state == "resolved":
            del self.opened[key], self._numbers[key]
        else:
            self.opened[key] = incident


def rehearse(
    project: Project,
    alert: Alert,
    client: Client,
    looks: range,
    progress: Callable[[int], None] = lambda _at_ms: None,
) -> list[Incident]:
    """What an alert would have said.

    Args:
        project: whose alert it is.
        alert: that is rehearsed.
        client: to the engine, with the key.
        looks: the times, epoch milliseconds.
        progress: is told of each look.

    Returns:
        The incidents that would have fired; one that fires at the end is not resolved.

    Raises:
        UsageError: it reads a view that looks at the clock, which cannot be stopped there.
        EngineError: the query fails.
    """
    arrived = [name for name, relation in _read(project, alert) if _knows_arrival(relation)]
    course = Course(alert)
    for at_ms in looks:
        course.look(client, at_ms, _come_by(arrived, at_ms))
        progress(at_ms)
    return course.fired


def _read(project: Project, alert: Alert) -> Iterator[tuple[str, Relation]]:
    """The relations that an alert reads, by their full names."""
    there = {f"{r.database}.{r.name}": r for r in project.relations()}
    for name in alert.query.reads:
        full = name if "." in name else f"{alert.query.database}.{name}"
        if full not in there:
            continue
        for statement in there[full].statements:
            if statement.kind == "view" and clock.looks(statement.tokens):
                raise UsageError(
                    f"{alert.name} reads the view {full}, which looks at the clock itself",
                    next_step="let the alert's own SELECT look at the clock",
                )
        yield full, there[full]


def _knows_arrival(relation: Relation) -> bool:
    table = relation.table
    return table is not None and any(column.name == _ARRIVED for column in table.columns)


def _come_by(tables: list[str], at_ms: int) -> dict[str, str]:
    """Settings that leave out the rows of tables that came later."""
    if not tables:
        return {}
    moment = f"{_ARRIVED} <= fromUnixTimestamp64Milli(toInt64({at_ms}))"
    listed = ", ".join(f"'{name}': '{moment}'" for name in tables)
    return {"additional_table_filters": f"{{{listed}}}"}
