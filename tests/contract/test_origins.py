"""Who may ask, and how: methods, other origins, other names of this machine, odd addresses."""

from __future__ import annotations

import json
import socket
from urllib.parse import quote

import pytest
from tests.contract.asking import HOMES, assert_problem
from tests.contract.conftest import Up, reading

READS = ("/v1/endpoints/homes/readings_sent.csv", "/healthz", "/openapi.json", "/metrics", "/",
         "/v1/status", "/readyz")  # fmt: skip


@pytest.mark.parametrize("path", READS)
def test_head_is_get_without_the_body(platform: Up, path: str) -> None:
    head, whole = platform.http.head(path), platform.http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", [*READS, "/v1/live", "/v1/reconcile"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(platform: Up, path: str, method: str) -> None:
    answer = platform.http.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert {word.strip() for word in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}


ELSEWHERE = [
    {"Origin": "https://example.com"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Origin": "https://example.com", "Sec-Fetch-Mode": "navigate"},
    {"Host": "example.com"},
    {"Host": "127.0.0.1.example.com:8000"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
@pytest.mark.parametrize("path", [*READS, "/v1/live"])
def test_a_page_of_another_origin_reads_nothing(
    platform: Up, path: str, headers: dict[str, str]
) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = platform.http.request(method, path, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert_problem(platform.http.get(path, headers=headers), 403, "another_origin")


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_a_page_of_another_origin_writes_nothing(platform: Up, headers: dict[str, str]) -> None:
    before = platform.source()["accepted"]
    body = json.dumps(reading(next(HOMES))).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
        answer = platform.http.post(
            "/v1/ingest/homes/readings", content=body, headers={**headers, "Content-Type": kind}
        )
        assert_problem(answer, 403, "another_origin")
    assert platform.source()["accepted"] == before


def test_a_form_of_another_page_writes_nothing(platform: Up) -> None:
    """A link may open the page: that is a GET. A form that posts looks alike and is refused."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert platform.http.get("/", headers=link).status_code == 200
    before = platform.source()["accepted"]
    answer = platform.http.post("/v1/ingest/homes/readings", content=b"{}", headers=link)
    assert_problem(answer, 403, "another_origin")
    assert platform.source()["accepted"] == before


def test_the_own_page_may(platform: Up) -> None:
    own = {"Origin": platform.url, "Sec-Fetch-Site": "same-origin"}
    body = json.dumps(reading(next(HOMES))).encode()
    assert platform.http.get("/v1/status", headers=own).status_code == 200
    answer = platform.http.post("/v1/ingest/homes/readings", content=body, headers=own)
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "request_line",
    ["GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
     "GET http://example.com/healthz HTTP/1.1\r\nHost: example.com\r\n\r\n"],
)  # fmt: skip
def test_without_a_name_of_this_machine_nothing_is_read(platform: Up, request_line: str) -> None:
    with socket.create_connection(("127.0.0.1", platform.port), timeout=10) as connection:
        connection.sendall(request_line.encode())
        status = connection.recv(4096).split(b"\r\n")[0]
    assert status.split()[1] in {b"403", b"400"}, status


@pytest.mark.parametrize(
    "path", ["/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/app.js"]
)
def test_only_files_of_the_page_are_sent(platform: Up, path: str) -> None:
    answer = platform.http.get(path)
    assert b"root:" not in answer.content
    assert answer.status_code in {404, 200}
    if answer.status_code == 200:
        assert answer.headers["Content-Type"].startswith("text/html")


def test_names_in_an_address_are_names(platform: Up) -> None:
    for odd in (
        "../homes/readings_sent",
        "homes%2freadings_sent",
        "readings_sent;x",
        "a b",
        "\u2603",
    ):
        answer = platform.http.get(f"/v1/endpoints/homes/{quote(odd, safe='/%')}.json")
        assert answer.status_code in {200, 404}, answer.text
        if answer.status_code == 200:
            assert odd.startswith("..")  # the client resolved it before it asked
