"""Acting from the page: the link of `penstock open`, what a session may do, who else may not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from tests.contract.asking import assert_problem
from tests.contract.conftest import EXAMPLES, environment, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.conftest import Up

TOKEN = "X-Penstock-Token"
ALERT = "/v1/admin/alerts/test"
ASKED = {"alert": "homes/overheating"}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("acting") / "data"
    with running(EXAMPLES, data, free_port, PENSTOCK_BATCH_AGE="50ms") as platform:
        yield platform


def run(up: Up, *words: str) -> str:
    line = [sys.executable, "-m", "penstock.cli", *words, "--data", str(up.data)]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=60, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Page:
    """A browser at our page: its cookies, its origin, and the token that the page keeps."""

    def __init__(self, up: Up) -> None:
        self.http = httpx.Client(base_url=up.url)
        self.own = {"Origin": up.url, "Sec-Fetch-Site": "same-origin"}
        self.token = ""

    def open(self, link: str) -> httpx.Response:
        code = link.strip().partition("#once=")[2]
        answer = self.http.post("/v1/session", json={"once": code}, headers=self.own)
        self.token = answer.json().get("token", "")
        return answer

    def act(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        sent = {**self.own, TOKEN: self.token, **headers}
        return self.http.post(path, json=body, headers={k: v for k, v in sent.items() if v})


@pytest.fixture
def page(up: Up) -> Page:
    opened = Page(up)
    answer = opened.open(run(up, "open"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return opened


def test_a_session_may_replay_and_test_and_nothing_else(up: Up, page: Page) -> None:
    assert page.act(ALERT, ASKED | {"send": True}).json()["sent"] == [
        {"channel": "log", "error": ""}
    ]
    replayed = page.act("/v1/admin/replay", {"source": "homes/readings"})
    assert (replayed.status_code, replayed.json()["landed"]) == (200, 0)
    for path in ("apply", "snapshot", "link"):
        assert_problem(page.act(f"/v1/admin/{path}", {}), 401, "no_key")
    told = page.http.get("/v1/session", headers={TOKEN: page.token}).json()
    assert told["may_act"] is True
    assert told["command"] == f"penstock open --data {up.data}"


def test_a_link_is_used_up(up: Up) -> None:
    link = run(up, "open")
    first, second = Page(up), Page(up)
    assert first.open(link).status_code == 200
    assert_problem(second.open(link), 401, "no_such_link")
    assert_problem(second.act(ALERT, ASKED), 401, "no_key")
    assert first.act(ALERT, ASKED).status_code == 200


def test_the_cookie_is_for_this_page_alone(page: Page, up: Up) -> None:
    cookie = page.open(run(up, "open")).headers["Set-Cookie"]
    words = {word.strip().lower() for word in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/v1"} <= words
    assert cookie.startswith(f"penstock_{up.port}=")
    assert page.token not in cookie


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:1"}, 403),  # another server of this machine: same site
        ({"Origin": "https://example.com"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": ""}, 401),  # who was handed the cookie, and is no page of ours
        ({TOKEN: ""}, 401),
        ({TOKEN: "x" * 43}, 401),
    ],
    ids=str,
)
def test_a_stolen_cookie_opens_nothing(page: Page, headers: dict[str, str], status: int) -> None:
    answer = page.act(ALERT, ASKED, **headers)
    assert answer.status_code == status, answer.text
    assert page.act(ALERT, ASKED).status_code == 200, "and its owner may go on"


def test_no_other_page_opens_a_link_or_asks_for_one(up: Up) -> None:
    link = run(up, "open")
    stranger = Page(up)
    stranger.own = {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}
    assert_problem(stranger.open(link), 403, "another_origin")
    assert_problem(Page(up).act("/v1/admin/link", {}), 401, "no_key")
    assert Page(up).open(link).status_code == 200


def test_a_session_ends_when_it_is_told_to(page: Page) -> None:
    ended = page.http.request("DELETE", "/v1/session", headers={**page.own, TOKEN: page.token})
    assert ended.json()["may_act"] is False
    assert_problem(page.act(ALERT, ASKED), 401, "no_key")


def test_odd_bodies_are_refused(up: Up, page: Page) -> None:
    for body in (b"", b"{", b"[]", b'{"once": 7}', b'"x"', b"[" * 1000, b'{"once": "\\ud800"}'):
        assert_problem(httpx.post(f"{up.url}/v1/session", content=body), 401, "no_such_link")
    assert httpx.post(f"{up.url}/v1/session", content=b"x" * 5000).status_code == 413
    assert_problem(page.act(ALERT, {"alert": "homes/nothing"}), 409, "not_tested")
    for body in (b"[]", b"{", b"[" * 100_000, b'{"reason": "\\ud800"}'):
        sent = {**page.own, TOKEN: page.token}
        assert_problem(
            page.http.post("/v1/admin/replay", content=body, headers=sent), 400, "no_object"
        )
    assert_problem(page.act("/v1/admin/replay", {"upto": "x"}), 400, "bad_parameter")


def test_the_command_sends_a_test_too(up: Up) -> None:
    found = json.loads(run(up, "alerts", "test", "overheating", "--send", "--project",
                           str(EXAMPLES), "--json"))  # fmt: skip
    assert found["sent"] == [{"channel": "log", "error": ""}]


def test_guesses_keep_nobody_out_and_no_secret_is_written(up: Up, page: Page) -> None:
    """The last one: it ends the platform."""
    link = run(up, "open")
    answers = [Page(up).open("#once=" + "x" * 43).status_code for _ in range(12)]
    assert answers == [401] * 12
    assert Page(up).open(link).status_code == 200
    assert page.act(ALERT, ASKED).status_code == 200
    written = up.stop()
    assert "alert_test" in written, "it is the log that is looked at"
    for secret in (link.strip().partition("#once=")[2], page.token, *page.http.cookies.values()):
        assert secret
        assert secret not in written
