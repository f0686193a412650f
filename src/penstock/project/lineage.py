"""The project as one graph: what it is made of, in five stages, and who reads whom.

An id is `domain.relation`, as in ClickHouse; what is no relation has its folder in the middle:
`homes.sources.readings`, `homes.serve.homes_now`, `homes.alerts.overheating`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from penstock.project.retention import kept_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from penstock.project.objects import Domain, Endpoint, Project, Relation, Source

Column = Literal["sources", "bronze", "silver", "gold", "serve"]
"""A column of the graph."""

COLUMNS: tuple[Column, ...] = ("sources", "bronze", "silver", "gold", "serve")


@dataclass(frozen=True, slots=True)
class Node:
    """One part of the project.

    Attributes:
        id: see the module.
        domain: name of its domain.
        name: the file's name.
        stage: its column.
        kind: `http` or `file` of a source; `table`, `view` or `dictionary` of a relation;
            `endpoint`, `alert`.
        description: from its header.
        path: the file.
        kept_ms: how long rows stay, in milliseconds; None where they stay for ever.
    """

    id: str
    domain: str
    name: str
    stage: Column
    kind: str
    description: str
    path: Path
    kept_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """Rows go from one node to another.

    Attributes:
        start: id of the node that is read.
        end: id of the node that reads.
        carries: True where rows go along as they land (a source, a materialized view); False
            where they are asked for.
    """

    start: str
    end: str
    carries: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes, by column and name, and the wires between them."""

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]

    @classmethod
    def of(cls, project: Project) -> Graph:
        """The graph of a valid project."""
        nodes = [node for domain in project.domains for node in _nodes(domain)]
        nodes.sort(key=lambda node: (COLUMNS.index(node.stage), node.domain, node.name))
        known = {node.id for node in nodes}
        wires = [w for d in project.domains for w in _wires(d) if {w.start, w.end} <= known]
        return cls(tuple(nodes), tuple(dict.fromkeys(wires)))

    def node(self, key: str) -> Node | None:
        """A node by its id."""
        return next((node for node in self.nodes if node.id == key), None)

    def reads(self, key: str) -> tuple[str, ...]:
        """Ids of what a node reads."""
        return tuple(wire.start for wire in self.wires if wire.end == key)

    def readers(self, key: str) -> tuple[str, ...]:
        """Ids of what reads a node."""
        return tuple(wire.end for wire in self.wires if wire.start == key)


def relation_id(relation: Relation) -> str:
    """The id of a relation."""
    return f"{relation.domain}.{relation.name}"


def source_id(domain: str, name: str) -> str:
    """The id of a source."""
    return f"{domain}.sources.{name}"


def endpoint_id(domain: str, name: str) -> str:
    """The id of an endpoint."""
    return f"{domain}.serve.{name}"


def alert_id(domain: str, name: str) -> str:
    """The id of an alert."""
    return f"{domain}.alerts.{name}"


def _nodes(domain: Domain) -> Iterator[Node]:
    for source in domain.sources:
        key = source_id(domain.name, source.name)
        yield Node(key, domain.name, source.name, "sources", source.kind, "", source.path)
    for relation in domain.relations:
        yield Node(
            relation_id(relation), domain.name, relation.name, relation.stage,
            relation.main_kind or "table", relation.header.description, relation.path,
            _kept(relation),
        )  # fmt: skip
    for query in domain.endpoints:
        yield _served(endpoint_id(domain.name, query.name), "endpoint", query)
    for alert in domain.alerts:
        yield _served(alert_id(domain.name, alert.name), "alert", alert.query)


def _served(key: str, kind: str, query: Endpoint) -> Node:
    said = query.header.description
    return Node(key, query.domain, query.name, "serve", kind, said, query.path)


def _wires(domain: Domain) -> Iterator[Wire]:
    for source in domain.sources:
        key = source_id(domain.name, source.name)
        yield Wire(key, f"{domain.name}.{_into(domain, source)}", carries=True)
    for relation in domain.relations:
        fed = {name for view in relation.views for name in view.reads}
        for name in relation.reads:
            if name != relation.name:
                yield Wire(f"{domain.name}.{name}", relation_id(relation), carries=name in fed)
    for query in domain.endpoints:
        yield from _asked(domain.name, query.reads, endpoint_id(domain.name, query.name))
    for alert in domain.alerts:
        yield from _asked(domain.name, alert.query.reads, alert_id(domain.name, alert.name))


def _asked(domain: str, reads: Iterable[str], key: str) -> Iterator[Wire]:
    for name in reads:
        yield Wire(f"{domain}.{name}", key, carries=False)


def _into(domain: Domain, source: Source) -> str:
    """The bronze relation of a source; a file's may be that of the source it goes through."""
    via = str(source.options.get("via", ""))
    through = next((one for one in domain.sources if one.name == via), source)
    return source.into or through.into


def _kept(relation: Relation) -> int | None:
    try:
        return kept_ms(relation)
    except ValueError:  # a rule reports it; here it is only shown
        return None
