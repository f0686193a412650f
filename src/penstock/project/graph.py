"""Who reads whom: creation order, cycles, and the way of a row from bronze to gold."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.project.objects import Relation

_RANK = {"bronze": 0, "silver": 1, "gold": 2}


def upstream_names(relation: Relation, known: Iterable[str]) -> list[str]:
    """The relations among `known` that `relation` reads, itself left out."""
    names = set(known) - {relation.name}
    return [name for name in relation.reads if name in names]


def cycle(relations: Sequence[Relation]) -> list[str]:
    """The names of one cycle, first and last the same, or an empty list."""
    try:
        TopologicalSorter(_edges(relations)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def ordered(relations: Sequence[Relation]) -> tuple[Relation, ...]:
    """What is read before what reads it; else by stage and name, so that the order is stable.

    A cycle, which the loader reports, leaves the order by stage and name.
    """
    stable = sorted(relations, key=lambda r: (_RANK[r.stage], r.name))
    sorter = TopologicalSorter(_edges(stable))
    try:
        sorter.prepare()
    except CycleError:
        return tuple(stable)
    order: list[Relation] = []
    while sorter.is_active():
        ready = set(sorter.get_ready())
        order += [r for r in stable if r.name in ready]  # two of one name are a mistake, not lost
        sorter.done(*ready)
    return tuple(order)


def first_silver(relations: Iterable[Relation], bronze: Relation) -> Relation | None:
    """The silver relation whose materialized view reads the bronze table, or None."""
    for relation in relations:
        if relation.stage == "silver" and any(bronze.name in v.reads for v in relation.views):
            return relation
    return None


def downstream(relations: Sequence[Relation], relation: Relation) -> tuple[Relation, ...]:
    """Every relation that rows of `relation` reach through materialized views, in order."""
    reached = {relation.name}
    result = []
    for candidate in ordered(relations):
        fed = any(name in reached for view in candidate.views for name in view.reads)
        if fed and candidate.name not in reached:
            reached.add(candidate.name)
            result.append(candidate)
    return tuple(result)


def changing(relations: Sequence[Relation], relation: Relation) -> tuple[Relation, ...]:
    """Whose rows a row of `relation` may change: its own, those it flows into, views of them."""
    reached = {relation.name, *(r.name for r in downstream(relations, relation))}
    order = ordered(relations)
    for candidate in order:
        if not reached.isdisjoint(candidate.reads):
            reached.add(candidate.name)
    return tuple(r for r in order if r.name in reached)


def _edges(relations: Sequence[Relation]) -> dict[str, list[str]]:
    names = [r.name for r in relations]
    return {r.name: upstream_names(r, names) for r in relations}
