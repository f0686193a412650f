"""Rewriting: what the engine goes on doing to parts after an ALTER has been answered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from penstock.errors import EngineError
from penstock.layers.statements import fill
from penstock.project.lexer import literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.engine.client import Client

_LOOK = 0.1  # seconds between looks


def settle(client: Client, databases: Iterable[str], table: str = "") -> None:
    """Wait until nothing is being rewritten any more.

    Args:
        client: to the engine.
        databases: of the tables.
        table: only of this one; empty is all.

    Raises:
        EngineError: something cannot be rewritten; says why.
    """
    listed = ", ".join(map(literal, databases))
    while True:
        rows = client.rows(fill("rewriting", databases=listed))
        mine = [row for row in rows if table in ("", row["table"])]
        stuck = next((row for row in mine if row["reason"]), None)
        if stuck:
            raise EngineError(
                f"{stuck['database']}.{stuck['table']} cannot be rewritten: {stuck['reason']}",
                where=stuck["command"],
            )
        if not mine:
            return
        time.sleep(_LOOK)
