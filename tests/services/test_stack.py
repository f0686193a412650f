"""`make stack` and its sisters: what they start, say, and leave alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deploy.native.postgres import programs
from deploy.native.process import Process
from deploy.native.redis import REDIS
from deploy.native.service import StackError
from deploy.native.stack import SERVICES
from tests.conftest import need
from tests.services.native import Native, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
Done = subprocess.CompletedProcess[str]


class Stack:
    """`make` with a folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = free_ports()
        lines = [f"{name}={port}\n" for name, port in self.ports.items()]
        (folder / "ports.env").write_text("# of a test\n" + "".join(lines))

    def make(self, *words: str) -> Done:
        return self.shell(shlex.join(["make", "-s", *words]))

    def shell(self, line: str) -> Done:
        """A line for a shell; each make in it is about this stack."""
        given = [f"PYTHON={sys.executable}", f"STACK={self.folder}/stack"]
        make = shlex.join(["make", *given, f"PORTS={self.folder}/ports.env"])
        kept = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
        return subprocess.run(
            ["bash", "-c", re.sub(r"\bmake (?=-s|stack)", f"{make} ", line)],
            cwd=ROOT, env=kept, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip

    def states(self) -> dict[str, str]:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "deploy.native.stack", "status", "--json"),
                *("--folder", f"{self.folder}/stack", "--ports", f"{self.folder}/ports.env"),
            ],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return {row["service"]: row["state"] for row in json.loads(done.stdout)}

    def pid(self, service: str) -> int:
        return int((self.folder / "stack" / service / "pid").read_text().splitlines()[0])


@pytest.fixture
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="penstock-stack-") as folder:
        Path(folder).chmod(0o711)  # root lends PostgreSQL another user
        made = Stack(Path(folder))
        yield made
        made.make("stack-stop")


@pytest.fixture
def _redis_here() -> None:
    need("Redis", present=bool(REDIS.present()), how="apt-get install redis-server")


@pytest.mark.usefixtures("_redis_here")
def test_start_is_idempotent_and_stop_ends_it(stack: Stack) -> None:
    done = stack.make("stack", "SERVICES=redis")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"export REDIS_URL=redis://127.0.0.1:{stack.ports['REDIS_PORT']}/0\n"
    assert "PONG, Redis" in done.stderr
    pid = stack.pid("redis")
    again = stack.make("stack", "SERVICES=redis")
    assert (again.stdout, stack.pid("redis")) == (done.stdout, pid)
    assert "runs already" in again.stderr
    status = stack.make("stack-status")
    assert status.returncode == 0
    assert re.search(r"redis +up .*PONG", status.stdout), status.stdout
    assert re.search(r"kafka +off", status.stdout), status.stdout
    logs = stack.make("stack-logs", "SERVICE=redis")
    assert "Ready to accept connections" in logs.stdout
    assert "stopped" in stack.make("stack-stop").stderr
    assert not lives(pid)
    assert set(stack.states().values()) == {"off"}
    assert "redis     not started" in stack.make("stack-stop").stderr


@pytest.mark.usefixtures("_redis_here")
def test_the_shell_takes_what_it_prints(stack: Stack) -> None:
    done = stack.shell('eval "$(make -s stack SERVICES=redis)"; echo "$REDIS_URL"')
    assert done.stdout == f"redis://127.0.0.1:{stack.ports['REDIS_PORT']}/0\n", done.stderr


@pytest.mark.usefixtures("_redis_here")
def test_one_that_was_killed_is_down_and_starts_again(stack: Stack) -> None:
    assert stack.make("stack", "SERVICES=redis").returncode == 0
    os.kill(stack.pid("redis"), signal.SIGKILL)
    until(lambda: stack.states()["redis"] == "down")
    status = stack.make("stack-status", "SERVICES=redis")
    assert status.returncode != 0
    assert "is gone; its log:" in status.stdout
    assert "make stack-logs" in status.stderr
    assert stack.make("stack", "SERVICES=redis").returncode == 0
    assert stack.states()["redis"] == "up"


@pytest.mark.slow
@pytest.mark.usefixtures("_redis_here")
def test_one_that_hangs_is_silent_and_can_be_ended(stack: Stack) -> None:
    assert stack.make("stack", "SERVICES=redis").returncode == 0
    pid = stack.pid("redis")
    os.kill(pid, signal.SIGSTOP)
    assert stack.states()["redis"] == "silent"
    os.kill(pid, signal.SIGCONT)
    assert stack.states()["redis"] == "up"


@pytest.mark.usefixtures("_redis_here")
def test_a_number_that_is_somebody_elses_by_now_is_left_alone(stack: Stack) -> None:
    folder = stack.folder / "stack" / "redis"
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as other:
        began = Process(other.pid, "")
        assert not began.lives
        (folder / "pid").write_text(f"{other.pid}\n12345\n")
        assert stack.states()["redis"] == "down"
        assert "had ended by itself" in stack.make("stack-stop").stderr
        assert other.poll() is None
        other.kill()


@pytest.mark.usefixtures("_redis_here")
def test_a_taken_port_is_named(stack: Stack) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", stack.ports["REDIS_PORT"]))
        other.listen()
        done = stack.make("stack", "SERVICES=redis")
    assert done.returncode != 0
    assert f"port {stack.ports['REDIS_PORT']} is taken" in done.stderr
    assert "change REDIS_PORT in deploy/native/ports.env" in done.stderr
    assert stack.states()["redis"] == "off"


@pytest.mark.usefixtures("_redis_here")
def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    """In its own words; nothing of it is left."""
    command = [REDIS.present(), "--nonsense", "1"]
    broken = Native(replace(REDIS, command=lambda _, __: command), tmp_path)
    with pytest.raises(StackError) as refused:
        broken.start()
    told = str(refused.value)
    assert told.startswith(f"redis ended as it started; the end of {tmp_path}/redis/log:\n")
    assert "Bad directive or wrong number of arguments" in told
    assert f"rm -r {tmp_path}/redis lets it begin anew" in told
    assert broken.health.state == "off"


def test_words_that_are_off(stack: Stack) -> None:
    done = stack.make("stack", "SERVICES=kafak")
    assert done.returncode != 0
    assert "invalid choice: 'kafak'" in done.stderr
    assert "make stack-logs SERVICE=kafka" in stack.make("stack-logs").stderr
    done = stack.make("stack-logs", "SERVICE=kafka")
    assert "kafka has not been started" in done.stderr


@pytest.mark.usefixtures("_redis_here")
def test_doctor_asks_what_is_named(redis: Native, tmp_path: Path) -> None:
    def doctor(**environment: str) -> tuple[int, dict[str, tuple[bool, str, str]]]:
        done = subprocess.run(
            [sys.executable, "-m", "penstock", "doctor", "--json", "--data", str(tmp_path / "d")],
            env={**os.environ, "PENSTOCK_PORT": "1", "PENSTOCK_ENGINE_PORT": "1", **environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        rows = json.loads(done.stdout)
        return done.returncode, {r["check"]: (r["ok"], r["found"], r["fix"]) for r in rows}

    code, found = doctor(**redis.environment)
    assert (code, found["redis"][0]) == (0, True)
    assert "Redis " in found["redis"][1]
    assert not {"kafka", "database", "clickhouse"} & set(found)
    code, found = doctor(
        REDIS_URL="redis://:hidden@127.0.0.1:9/0",
        DATABASE_URL="postgresql://me:hidden@127.0.0.1:9/x",
    )
    assert code == 6
    for name in ("redis", "database"):
        ok, said, fix = found[name]
        assert not ok
        assert "hidden" not in said
        assert "make stack SERVICES=" in fix


def test_a_database_is_given(stack: Stack) -> None:
    need("PostgreSQL", present=programs() is not None, how="apt-get install postgresql")
    done = stack.make("stack", "SERVICES=postgres")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("export DATABASE_URL=postgresql://penstock:")
    asked = subprocess.run(
        ["psql", done.stdout.strip().split("=", 1)[1], "-Atc", "SHOW wal_level"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.stdout == "logical\n", asked.stderr
    assert stack.states()["postgres"] == "up"


@pytest.mark.slow
@pytest.mark.usefixtures("_redis_here")
def test_every_make_in_the_document_runs(stack: Stack) -> None:
    """All three services, then again, then asked, read and ended."""
    for service in SERVICES.values():
        how = f"sh tools/system-packages.sh {' '.join(service.needs)}"
        need(service.name, present=bool(service.present()), how=how)
    text = (ROOT / "docs" / "services.md").read_text("utf-8")
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if "make " in line and not line.startswith("cp")]
    ending = [line for line in commands if "stack-stop" in line]
    assert (len(commands), len(ending)) == (6, 1)
    for line in [line for line in commands if line not in ending] + ending:
        done = stack.shell(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if line == "make stack-status":
            assert stack.states() == dict.fromkeys(SERVICES, "up")
    assert stack.states() == dict.fromkeys(SERVICES, "off")


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
