"""What the platform says of itself: health, metrics, OpenAPI; and the page it sends."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import need
from tests.contract.conftest import Up, reading

from penstock.project import load
from penstock.serve.endpoints import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "src" / "penstock" / "serve" / "_ui"


# Health


def test_health_and_readiness(platform: Up) -> None:
    for path, words in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
        answer = platform.http.get(path)
        assert (answer.status_code, answer.text) == (200, words)
        assert answer.headers["Content-Type"].startswith("text/plain")


def test_the_status_adds_up(platform: Up) -> None:
    status = platform.status()
    assert status["engine"]["state"] == "up"
    assert re.fullmatch(r"26\.9\.\S+", status["engine"]["version"])
    balance = status["balance"]
    assert balance["difference"] == 0
    assert (
        balance["received"]
        == balance["silver"] + balance["dead_letters"] + balance["in_flight"]
        == sum(source["accepted"] for source in status["sources"])
    )
    assert status["history"] is None
    assert {"domain", "source", "state", "reason", "accepted", "landed", "in_flight"} <= set(
        status["sources"][0]
    )


# Metrics

SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^{}]*)\})? (?P<value>\S+)", re.ASCII
)
LABEL = re.compile(r'[a-zA-Z_]\w*="(?:[^"\\]|\\.)*"', re.ASCII)


def exposition(text: str) -> Iterator[tuple[str, str, float]]:
    """Name, labels and value of each sample; refuses what a parser of Prometheus would."""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP \S+ .*|TYPE \S+ (counter|gauge|summary|histogram))", line)
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        labels = sample["labels"] or ""
        assert all(LABEL.fullmatch(label) for label in labels.split(",") if label), line
        yield sample["name"], labels, float(sample["value"])


def test_metrics_can_be_read(platform: Up) -> None:
    answer = platform.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = list(exposition(answer.text))
    assert len({(name, labels) for name, labels, _ in found}) == len(found), "a sample twice"
    types = re.findall(r"^# TYPE (\S+) ", answer.text, re.MULTILINE)
    assert len(set(types)) == len(types)
    assert {name for name, _, _ in found} == set(types)
    counters = re.findall(r"^# TYPE (\S+) counter$", answer.text, re.MULTILINE)
    assert all(name.endswith("_total") for name in counters)


def test_each_metric_is_one_group_after_its_type(platform: Up) -> None:
    order = [
        line.split()[2] if line.startswith("# TYPE") else re.split(r"[{ ]", line)[0]
        for line in platform.http.get("/metrics").text.splitlines()
        if not line.startswith("# HELP")
    ]
    groups = [name for n, name in enumerate(order) if n == 0 or order[n - 1] != name]
    assert len(set(groups)) == len(groups), groups


def metric(platform: Up, name: str, **labels: str) -> float:
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = {(n, text): v for n, text, v in exposition(platform.http.get("/metrics").text)}
    return found[name, wanted]


def test_metrics_count_what_was_sent(platform: Up) -> None:
    source = {"domain": "homes", "source": "readings"}
    names = ("penstock_rows_accepted_total", "penstock_rows_landed_total")
    before = [metric(platform, name, **source) for name in names]
    dead = metric(platform, "penstock_dead_letters_total")
    body = json.dumps([reading(3_900_000), reading(3_900_000), {"no": "reading"}]).encode()
    assert platform.post(body, wait="true").status_code == 200
    assert [metric(platform, name, **source) for name in names] == [n + 3 for n in before]
    assert metric(platform, "penstock_dead_letters_total") == dead + 1
    assert metric(platform, "penstock_rows_in_flight", **source) == 0
    assert metric(platform, "penstock_balance") == 0
    assert 0 < metric(platform, "penstock_freshness_seconds", quantile="0.99") < 60


# OpenAPI


@pytest.fixture(scope="module")
def described(platform: Up) -> dict[str, Any]:
    answer = platform.http.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return dict(answer.json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in item.keys() - {"parameters"}:
            own = item[method].get("parameters", [])
            yield path, method, {**item[method], "parameters": [*shared, *own]}


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_description_is_openapi(described: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", described["openapi"])
    assert described["info"]["title"]
    assert described["info"]["version"]
    for reference in references(described):
        node: Any = described
        assert reference.startswith("#/")
        for part in reference[2:].split("/"):
            node = node[part]
    identifiers = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(identifiers)) == len(identifiers)
    for path, method, operation in operations(described):
        assert path.startswith("/")
        assert method in {"get", "post", "put", "delete"}
        assert operation["summary"], path
        assert operation["responses"], path
        assert all(re.fullmatch(r"[1-5]\d\d", status) for status in operation["responses"])
        assert all(answer["description"] for answer in operation["responses"].values())


def test_the_parameters_are_those_of_the_paths(described: dict[str, Any]) -> None:
    for path, _, operation in operations(described):
        parameters = operation.get("parameters", [])
        names = [(p["name"], p["in"]) for p in parameters]
        assert len(set(names)) == len(names)
        in_path = {p["name"] for p in parameters if p["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        for parameter in parameters:
            assert parameter["in"] in {"path", "query", "header"}
            assert parameter["required"] if parameter["in"] == "path" else True
            assert parameter["schema"]["type"] in {"string", "integer", "number", "boolean"}


def test_every_endpoint_is_listed_with_its_types(described: dict[str, Any], project: Path) -> None:
    endpoints = load(project).endpoints()
    assert len(endpoints) >= 5
    for endpoint in endpoints:
        item = described["paths"][f"/v1/endpoints/{endpoint.domain}/{endpoint.name}.{{format}}"]
        operation = item["get"]
        assert operation["summary"] == endpoint.header.description
        form, *rest = operation["parameters"]
        assert form["schema"]["enum"] == list(FORMATS)
        assert [p["name"] for p in rest] == [p.name for p in endpoint.params]
        for given, known in zip(rest, endpoint.params, strict=True):
            assert known.type in given["description"]
            assert given["required"] == known.required
            kind = known.type.removeprefix("Nullable(")
            wanted = "integer" if re.match(r"U?Int\d", kind) else None
            wanted = wanted or ("number" if re.match("Float|Decimal", kind) else "string")
            assert given["schema"]["type"] == wanted
    listed = [path for path in described["paths"] if path.startswith("/v1/endpoints/")]
    assert len(listed) == len(endpoints)
    assert "/v1/ingest/homes/readings" in described["paths"]


def test_defaults_fit_their_types(described: dict[str, Any]) -> None:
    kinds: dict[str, Any] = {"integer": int, "number": (int, float), "string": str, "boolean": bool}
    for _, _, operation in operations(described):
        for parameter in operation.get("parameters", []):
            schema = parameter["schema"]
            if "default" in schema:
                assert isinstance(schema["default"], kinds[schema["type"]]), parameter


WORDS = {"format": "json", "domain": "homes", "folder": "sources", "name": "readings"}


def test_what_is_listed_answers(platform: Up, described: dict[str, Any]) -> None:
    for path, method, operation in operations(described):
        if method != "get" or path in {"/v1/live", "/healthz", "/readyz", "/metrics"}:
            continue
        required = [p for p in operation["parameters"] if p.get("required")]
        if any(p["in"] == "query" for p in required) or "broken" in path:
            continue
        if {p["name"] for p in required} - WORDS.keys() or path.endswith("/passage"):
            continue  # about something that is not there, or waits for it
        answer = platform.http.get(path.format(**WORDS))
        assert answer.status_code == 200, path
        assert isinstance(answer.json(), dict)


def fits(value: object, schema: dict[str, Any], where: str) -> Iterator[str]:
    """What of a document is not as its schema says: types, enumerations, fields lost or unnamed."""
    kinds = {"integer": int, "number": (int, float), "string": str, "array": list, "object": dict,
             "null": type(None)}  # fmt: skip
    named = schema.get("type", [])
    allowed = [kinds[kind] for kind in ([named] if isinstance(named, str) else named)]
    if allowed and not any(isinstance(value, kind) for kind in allowed):
        yield f"{where} is {value!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}"
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from fits(item, schema.get("items", {}), f"{where}[{place}]")
    if isinstance(value, dict) and "properties" in schema:
        if set(schema["required"]) - set(value) or set(value) - set(schema["properties"]):
            yield f"{where} has {sorted(value)}"
        for name in set(value) & set(schema["properties"]):
            yield from fits(value[name], schema["properties"][name], f"{where}.{name}")


@pytest.mark.parametrize(
    ("path", "schema"), [("/v1/status", "Status"), ("/v1/dead-letters", "DeadLetters")]
)
def test_documents_are_as_they_are_described(
    platform: Up, described: dict[str, Any], path: str, schema: str
) -> None:
    """The page's types are made from these schemas: what they leave out it does not know of."""
    assert platform.post(b'{"no":"reading"}', wait="true").status_code == 200
    document = platform.http.get(path).json()
    assert list(fits(document, described["components"]["schemas"][schema], path)) == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_every_path_is_listed(described: dict[str, Any], path: str) -> None:
    assert path in described["paths"]


# Dead letters


def test_dead_letters_are_bounded_and_of_a_domain(platform: Up) -> None:
    body = b'{"no":"reading"}\n' * 25
    assert platform.post(body, "application/x-ndjson", wait="true").status_code == 200
    for limit, length in (("1", 1), ("7", 7), ("", 20)):
        params = {"domain": "homes", **({"limit": limit} if limit else {})}
        document = platform.http.get("/v1/dead-letters", params=params).json()
        assert len(document["items"]) == length
        assert document["total"] >= 25
        assert {"source", "part", "pos", "reason", "ingested_ms", "raw"} <= set(
            document["items"][0]
        )
    answer = platform.http.get("/v1/dead-letters", params={"domain": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# The page


@pytest.fixture(scope="module")
def _built() -> None:
    need("the built page", present=(PAGE / "index.html").is_file(), how="make web")


@pytest.mark.usefixtures("_built")
def test_the_page_allows_nothing_from_elsewhere(platform: Up) -> None:
    answer = platform.http.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    found = re.search(r'http-equiv="content-security-policy" content="([^"]*)"', answer.text)
    policy = answer.headers.get("Content-Security-Policy") or (found[1] if found else "")
    rules = {name: words for name, *words in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == ["'self'"]
    assert rules["object-src"] == ["'none'"]
    assert rules["base-uri"] == ["'self'"]
    for words in rules.values():
        assert not [w for w in words if "unsafe-eval" in w or w == "*" or w.startswith("http")]
    assert "'unsafe-inline'" not in rules["script-src"]
    inline = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    for script in inline:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("path", ["/openapi.json", "/v1/flow", "/v1/sql/functions"])
def test_a_document_is_packed_and_sent_once_while_it_stays(platform: Up, path: str) -> None:
    plain = platform.http.get(path, headers={"Accept-Encoding": "identity"})
    packed = platform.http.get(path, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 2
    assert packed.json() == plain.json()
    again = platform.http.get(path, headers={"If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_is_asked_for_anew_and_its_parts_are_kept(platform: Up) -> None:
    page = platform.http.get("/")
    assert page.headers["Cache-Control"] == "no-cache"
    assert page.headers["Vary"] == "Accept-Encoding"
    parts = re.findall(r'href="(/_app/immutable/[^"]+)"', page.text)
    assert parts
    for part in parts:
        answer = platform.http.get(part)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"].split(";")[0] in {"text/javascript", "text/css"}


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip", "gzip"), ("br, gzip", "br"), ("identity", None)]
)
def test_the_page_is_compressed_as_the_browser_likes(
    platform: Up, accepted: str, encoding: str | None
) -> None:
    with platform.http.stream("GET", "/", headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("Content-Encoding") == encoding
    assert int(answer.headers["Content-Length"]) == len(raw)
    suffix = {"gzip": ".gz", "br": ".br", None: ""}[encoding]
    assert raw == (PAGE / f"index.html{suffix}").read_bytes()


@pytest.mark.usefixtures("_built")
def test_an_address_of_the_page_is_the_page_and_a_missing_file_is_missing(platform: Up) -> None:
    page = platform.http.get("/")
    assert platform.http.get("/homes/7").content == page.content
    missing = platform.http.get("/_app/immutable/gone.js")
    assert (missing.status_code, missing.text) == (404, "not found\n")
