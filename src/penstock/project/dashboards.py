"""What a file of dashboards/ says: rows of panels over queries, with variables and a span of time.

The objects are frozen and filled by `dashboard_files`. A panel asks either an endpoint of its
domain or a SELECT of its own, which is an endpoint that only the dashboard has; `serve` treats both
alike, so all viewers of a panel share one query.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from penstock.errors import UsageError
from penstock.project.macros import TIMES
from penstock.project.objects import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from penstock.project.objects import Endpoint

PanelKind = Literal["line", "area", "bar", "table", "stat", "gauge", "heatmap", "pie"]
VariableKind = Literal["query", "list", "text"]

PANEL_KINDS: tuple[PanelKind, ...] = get_args(PanelKind)
OVER_TIME: frozenset[PanelKind] = frozenset({"line", "area", "heatmap"})
"""Kinds that cannot be drawn without a column of times; `bar` has one or not."""
MOST_QUERIES = 24
"""Queries of one dashboard: an event stream has room for little more."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What a viewer may choose, `?var-home=7` in the address; panels take it as `{home:Type}`.

    Attributes:
        name: of the parameters that take it.
        label: for people.
        kind: `query` (the first column of `query` is offered), `list` (`values`) or `text`.
        values: of a list.
        query: of a query, else None.
        default: what holds where the address does not say.
        all: whether «all» may be chosen: the parameter is then empty.
    """

    name: str
    label: str
    kind: VariableKind
    values: tuple[str, ...]
    query: Endpoint | None
    default: str
    all: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        name: within its dashboard; of its own SELECT's address, too.
        title: for people.
        description: under the title where the data says nothing by itself; may be empty.
        kind: how it is drawn.
        query: what it asks.
        own: the SELECT stands in the dashboard; else it is an endpoint of the domain.
        params: parameter → value, or `$name` for what a variable holds.
        time: column of times (DateTime, or epoch ms where it ends in `_ms`); empty without one.
        by: column whose values tell series, rows or slices apart; empty without one.
        values: columns that are drawn; empty: all the others.
        unit: of the values.
        digits: after the point.
        width: of twelve columns.
        low: of a gauge, a stat or an axis; None is by the data.
        high: likewise.
        warn: from here on a value needs looking at.
        bad: from here on it is bad.
        stacked: areas and bars stand on each other.
        line: of the file.
    """

    name: str
    title: str
    description: str
    kind: PanelKind
    query: Endpoint
    own: bool
    params: Mapping[str, str]
    time: str
    by: str
    values: tuple[str, ...]
    unit: str
    digits: int
    width: int
    low: float | None
    high: float | None
    warn: float | None
    bad: float | None
    stacked: bool
    line: int

    def given(self, variables: tuple[Variable, ...]) -> Mapping[str, str]:
        """What each parameter is given: as the panel says, else the variable of its name."""
        names = {v.name for v in variables}
        own = {p.name: f"${p.name}" for p in self.query.params if p.name in names}
        return MappingProxyType({**own, **self.params})

    @property
    def spans(self) -> tuple[str, ...]:
        """Parameters that the page's span of time gives: of `from`, `to` and `interval_s`."""
        if not self.query.written:
            return ()
        return tuple(p.name for p in self.query.params if p.name in TIMES)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other, of one height in pixels."""

    title: str
    height: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One file of dashboards/.

    Attributes:
        domain: name of its domain.
        name: the file's name.
        path: the file.
        title: for people.
        description: for people; may be empty.
        start: of the span shown at first, as `now-1h`.
        end: of it, as `now`.
        refresh: seconds between two looks; 0 is live: as soon as a table has changed.
        variables: in order.
        rows: in order.
    """

    domain: str
    name: str
    path: Path
    title: str
    description: str
    start: str
    end: str
    refresh: float
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, row by row."""
        return tuple(panel for row in self.rows for panel in row.panels)

    @property
    def queries(self) -> Iterator[Endpoint]:
        """The SELECTs that stand in the dashboard itself."""
        yield from (panel.query for panel in self.panels if panel.own)
        yield from (variable.query for variable in self.variables if variable.query)

    def query(self, name: str) -> Endpoint:
        """A SELECT of its own by the panel's name; a variable's by `var-` and its name.

        Raises:
            UsageError: it has none of that name.
        """
        known = {panel.name: panel.query for panel in self.panels if panel.own}
        known |= {f"var-{v.name}": v.query for v in self.variables if v.query}
        if name in known:
            return known[name]
        near = nearest(name, known)
        raise UsageError(
            f"the dashboard {self.name} has no query {name!r}",
            next_step=f"did you mean {near!r}?" if near else f"it has: {', '.join(known)}",
        )
