"""deploy/compose.yaml: by the schema of compose files, and by what we hold to.

No container is started here: what the images do with it is not shown by these tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.native.postgres import LOGICAL
from deploy.native.stack import SERVICES, ports

from penstock.settings import SETTINGS

DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text("utf-8")
COMPOSE = yaml.safe_load(TEXT)["services"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
BESIDE = sorted(set(COMPOSE) - {"penstock"})


def judged(file: Path) -> subprocess.CompletedProcess[str]:
    """By the schema of the Compose specification that check-jsonschema brings along."""
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


def test_it_is_a_compose_file(tmp_path: Path) -> None:
    done = judged(DEPLOY / "compose.yaml")
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "compose.yaml"
    broken.write_text(TEXT.replace("healthcheck:", "health:", 1))
    assert judged(broken).returncode == 1


def test_it_has_the_services_of_the_stack() -> None:
    assert set(BESIDE) == set(SERVICES)
    for name in BESIDE:
        assert COMPOSE[name]["profiles"] == [name, "all"]
        assert "healthcheck" in COMPOSE[name], name
        assert COMPOSE["penstock"]["depends_on"][name] == {
            "condition": "service_healthy",
            "required": False,
        }
    assert [f"{n}={v}" for n, v in LOGICAL.items()] == COMPOSE["postgres"]["command"][2::2]
    version = re.search(r"<kafka.version>(.+)<", (DEPLOY / "native" / "pom.xml").read_text())
    assert version
    assert COMPOSE["kafka"]["image"] == f"apache/kafka:{version[1]}"


@pytest.mark.parametrize("name", BESIDE)
def test_nothing_listens_beyond_this_machine(name: str) -> None:
    assert COMPOSE[name]["ports"]
    for published in COMPOSE[name]["ports"]:
        assert published.startswith("127.0.0.1:"), published
    assert "network_mode" not in COMPOSE[name]


def test_ports_are_those_of_the_one_file() -> None:
    defaults = {n: int(v) for n, v in re.findall(r"\$\{(\w+_PORT):-(\d+)\}", TEXT)}
    settings = {setting.variable: setting.default for setting in SETTINGS}
    own = {name: int(settings[name]) for name in ("PENSTOCK_PORT", "PENSTOCK_ENGINE_PORT")}
    assert defaults == {**ports(), **own}
    example = (DEPLOY / "env.example").read_text("utf-8")
    assert set(map(int, re.findall(r"127\.0\.0\.1:(\d+)", example))) == {
        defaults[service.port] for service in SERVICES.values()
    }


def test_there_is_no_default_password() -> None:
    for name, default in re.findall(r"\$\{(\w*PASSWORD\w*)(:.)", TEXT):
        # Empty is «no server named», never a password of one that is started here.
        assert default == ":?" or name == "CLICKHOUSE_PASSWORD", name
    assert "${CLICKHOUSE_PASSWORD:-}" in TEXT
    assert "POSTGRES_PASSWORD=\n" in (DEPLOY / "env.example").read_text("utf-8")


def test_every_variable_is_one_that_penstock_reads() -> None:
    known = {setting.variable for setting in SETTINGS}
    known |= {f"CLICKHOUSE_{part}" for part in ("HOST", "PORT", "USER", "PASSWORD", "DB")}
    given: dict[str, Any] = COMPOSE["penstock"]["environment"]
    assert set(given) <= known
    assert {
        "CLICKHOUSE_HOST", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL",
    } <= set(given)  # fmt: skip
    for name, value in given.items():
        assert value.startswith(f"${{{name}:-"), name


def test_the_image_is_built_and_run_as_said() -> None:
    stages = DOCKERFILE.split("\nFROM ")[1:]
    assert len(stages) == 2
    last = stages[-1].splitlines()
    assert [line for line in last if line.startswith("USER")] == ["USER penstock"]
    assert "/readyz" in DOCKERFILE
    assert any(line.startswith("HEALTHCHECK") for line in last)
    assert COMPOSE["penstock"]["build"] == {"context": "..", "dockerfile": "deploy/Dockerfile"}
    assert COMPOSE["penstock"]["network_mode"] == "host"  # it listens on 127.0.0.1 alone
