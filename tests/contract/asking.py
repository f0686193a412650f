"""What the tests of serving share: asking an endpoint, sending a reading, looking at a refusal."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.contract.conftest import Up, reading

if TYPE_CHECKING:
    import httpx2 as httpx

Rows = list[dict[str, Any]]
HOMES = count(3_000_000)
"""Numbers of homes that no other test has."""


def get(platform: Up, name: str, /, **params: str) -> httpx.Response:
    """An endpoint of homes, with its format."""
    return platform.http.get(f"/v1/endpoints/homes/{name}", params=params)


def rows(platform: Up, name: str, /, **params: str) -> Rows:
    answer = get(platform, f"{name}.ndjson", **params)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.splitlines()]


def insert(platform: Up, **fields: object) -> int:
    """A reading of a home of its own that can be queried when this returns."""
    home = next(HOMES)
    answer = platform.post(json.dumps(reading(home, **fields)).encode(), wait="true")
    assert answer.status_code == 200, answer.text
    return home


def assert_problem(answer: httpx.Response, status: int, code: str, word: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["code"] == code, document
    assert document["title"]
    assert document["next"]
    assert word in document["detail"], document
