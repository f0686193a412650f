"""What is asked of dead letters again and again is judged and read once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from penstock.engine.client import Address, Client
from penstock.errors import RefusedChangeError
from penstock.project import load
from penstock.serve.letters import Letters
from penstock.serve.problems import answer_to

METERS = Path(__file__).parents[2] / "fixtures" / "projects" / "meters"


class Judge:
    """Counts how often it is asked; refuses at first."""

    asked, runs = 0, 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if not self.runs:
            raise RefusedChangeError("a replay was cut short", next_step="go on with it")
        return {"good": self.asked}


def test_a_refusal_is_kept_until_something_has_changed() -> None:
    judge = Judge()
    letters = Letters(
        load(METERS),
        Client(Address("127.0.0.1", 1)),
        lambda: {"adopted": 0, "sources": []},
        judge,
        lambda: {"runs": judge.runs},
    )

    async def through() -> None:
        for _ in range(3):
            with pytest.raises(RefusedChangeError) as caught:
                await letters.outlook(Request({"type": "http"}))
            assert answer_to(caught.value).status_code == 409
        assert judge.asked == 1
        judge.runs = 1
        for _ in range(3):
            answer = await letters.outlook(Request({"type": "http"}))
            assert answer.body == b'{"good":2}'

    asyncio.run(through())
