"""The graph of a project: its parts, who reads whom, and where rows go along by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.project import load
from penstock.project.lineage import COLUMNS, Graph

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def homes() -> Graph:
    return Graph.of(load(ROOT / "examples"))


def test_every_file_of_the_flow_is_a_node(homes: Graph) -> None:
    project = load(ROOT / "examples")
    parts = (project.sources(), project.relations(), project.endpoints(), project.alerts())
    assert len(homes.nodes) == sum(map(len, parts))
    assert len({node.id for node in homes.nodes}) == len(homes.nodes)
    assert all(node.path.is_file() for node in homes.nodes)
    stages = [COLUMNS.index(node.stage) for node in homes.nodes]
    assert stages == sorted(stages)


def test_names_that_are_used_twice_are_told_apart(homes: Graph) -> None:
    """`readings` is a source and a silver table, `hourly_stats` a gold and an endpoint."""
    found = {key: homes.node(key) for key in ("homes.sources.readings", "homes.readings")}
    assert [node.stage if node else "" for node in found.values()] == ["sources", "silver"]
    assert homes.node("homes.serve.hourly_stats") != homes.node("homes.hourly_stats")


def test_wires_are_what_the_files_read(homes: Graph) -> None:
    assert homes.reads("homes.raw_sensors") == (
        "homes.sources.appliances_energy",  # a file goes through `readings` to its bronze
        "homes.sources.household_power",
        "homes.sources.readings",
    )
    assert "homes.readings" in homes.reads("homes.hourly_stats")
    assert "homes.hourly_stats" in homes.reads("homes.serve.hourly_stats")
    assert "homes.alerts.overheating" in {
        reader for node in homes.nodes for reader in homes.readers(node.id)
    }
    known = {node.id for node in homes.nodes}
    assert all({wire.start, wire.end} <= known and wire.start != wire.end for wire in homes.wires)


def test_rows_go_by_themselves_through_views_that_write(homes: Graph) -> None:
    carries = {(wire.start, wire.end): wire.carries for wire in homes.wires}
    assert carries["homes.raw_sensors", "homes.readings"]
    assert carries["homes.readings", "homes.hourly_stats"]
    assert not carries["homes.hourly_stats", "homes.serve.hourly_stats"]
    plain = {node.id for node in homes.nodes if node.kind == "view"}
    assert plain
    assert not any(wire.carries for wire in homes.wires if wire.end in plain)


def test_how_long_rows_stay_is_known(homes: Graph) -> None:
    bronze, silver = homes.node("homes.raw_sensors"), homes.node("homes.readings")
    assert bronze is not None
    assert silver is not None
    assert bronze.kept_ms is not None
    assert 6 * 86_400_000 < bronze.kept_ms <= 7 * 86_400_000
    assert silver.kept_ms is None
