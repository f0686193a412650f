"""What the services ring shares: an engine behind its front, as other people's programs see it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deploy.native.kafka import KAFKA
from tests.conftest import need
from tests.services.native import Native

from penstock.engine.datadir import key
from penstock.engine.process import EngineProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Server:
    """Where the front is, and the key that opens writing."""

    port: int
    key: str
    process: EngineProcess


@pytest.fixture(scope="session")
def server(free_port: Callable[[], int]) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="penstock-services-") as folder:
        port = free_port()
        process = EngineProcess(Path(folder), port, 800 * 1024 * 1024)
        process.start()
        try:
            yield Server(port, key(Path(folder)), process)
        finally:
            process.stop()


@pytest.fixture(scope="session")
def kafka() -> Iterator[Native]:
    """A broker of the tests' own; who kills it starts it again."""
    how = "apt-get install default-jre-headless maven"
    need("Java or Maven", present=bool(KAFKA.present()), how=how)
    with Native(KAFKA) as broker:
        yield broker
