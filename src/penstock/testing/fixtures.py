"""Fixtures for pytest: put `pytest_plugins = ["penstock.testing.fixtures"]` into conftest.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from penstock.testing.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def penstock_project(pytestconfig: pytest.Config) -> Path:
    """The project's folder: pytest's root; write a fixture of this name where it is another."""
    return pytestconfig.rootpath


@pytest.fixture(scope="session")
def penstock_engine(penstock_project: Path) -> Iterator[Sandbox]:
    """One throw-away engine for all tests: chDB runs one a process, and starting it takes time."""
    with Sandbox(penstock_project) as engine:
        yield engine


@pytest.fixture
def sandbox(penstock_engine: Sandbox) -> Sandbox:
    """The project with every relation empty and the clock at the present moment."""
    penstock_engine.start()
    return penstock_engine
