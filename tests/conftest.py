"""What all rings share: free ports, and honest skips."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from deploy.native.redis import REDIS
from tests.services.native import Native
from tests.services.postgres import Postgres, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def need(what: str, *, present: bool, how: str) -> None:
    """Skip where something of the system is missing; with CI=true that is a failure."""
    if present:
        return
    reason = f"{what} is not here ({how})"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port that nobody has."""

    def give() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return give


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), "")
    need("Chromium", present=bool(found), how="apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def strace() -> str:
    """The path of strace."""
    found = shutil.which("strace") or ""
    need("strace", present=bool(found), how="apt-get install strace")
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of the tests' own."""
    need("PostgreSQL", present=programs() is not None, how="apt-get install postgresql")
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Native]:
    """A Redis of the tests' own; who kills it starts it again."""
    need("Redis", present=bool(REDIS.present()), how="apt-get install redis-server")
    with Native(REDIS) as server:
        yield server
