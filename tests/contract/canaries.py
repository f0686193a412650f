"""What attempts must not touch, and the looks at it that decide: never an answer alone.

A statement may be refused with a friendly message and have done its work all the same. So every
attempt is followed by a look at what it must not have touched: a file whose content must never
be in an answer, a listener that must never be called, a table that must never change, and a
folder in which nothing must ever appear.
"""

from __future__ import annotations

import secrets
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.conftest import Answer, Front


@dataclass
class Canaries:
    """What must stay as it is.

    Attributes:
        front: under test.
        folder: where nothing must appear but `file`.
        file: its content must not be in an answer.
        secret: that content.
        port: of the listener.
        calls: connections that the listener got.
    """

    front: Front
    folder: Path
    secret: str
    port: int
    calls: list[object] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "canary.csv"

    def places(self) -> dict[str, object]:
        """Words that attempts may use in braces."""
        return {"file": self.file, "out": self.folder / "out", "port": self.port}

    def check(self, *answers: Answer) -> None:
        for answer in answers:
            assert self.secret not in answer.text, "a secret was read"
        assert not self.calls, "a connection was opened"
        appeared = [path.name for path in self.folder.iterdir() if path != self.file]
        assert not appeared, "a file was written"
        rows = self.front.ask("SELECT sum(a), count() FROM canary.t", key=True)
        assert rows.text == "6\t3\n", f"a table changed: {rows.text!r}"
        found = self.front.ask(
            "SELECT groupArray(name) FROM system.tables WHERE database = 'canary'"
        )
        assert found.text == "['t']\n", "a table was made or dropped"
        databases = self.front.ask("SELECT count() FROM system.databases WHERE name LIKE 'evil%'")
        assert databases.text == "0\n", "a database was made"


@contextmanager
def watched(engine: Front, folder: Path) -> Iterator[Canaries]:
    """An engine with all of them in place."""
    secret = secrets.token_hex(8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Canaries(engine, folder, secret, listener.getsockname()[1])
        threading.Thread(target=_listen, args=(listener, found.calls), daemon=True).start()
        found.file.write_text(f"{secret},1\n")
        inside = engine.data / "engine" / "user_files"
        inside.mkdir(parents=True, exist_ok=True)
        (inside / "canary.csv").write_text(f"{secret},1\n")
        engine.do(
            "CREATE DATABASE canary",
            "CREATE TABLE canary.t (a UInt32, b String) ENGINE = MergeTree ORDER BY a",
            "INSERT INTO canary.t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
        )
        yield found
        engine.do("DROP DATABASE canary SYNC")


def _listen(listener: socket.socket, calls: list[object]) -> None:
    while True:
        try:
            connection, address = listener.accept()
        except OSError:
            return
        calls.append(address)
        connection.close()


def fill(canaries: Canaries, value: Any) -> Any:
    """Put the canaries' places in every text of a request."""
    if isinstance(value, str):
        words = canaries.places() | {"front": canaries.front.port, "key": canaries.front.key}
        return value.format(**words)
    if isinstance(value, dict):
        return {name: fill(canaries, inner) for name, inner in value.items()}
    return value
