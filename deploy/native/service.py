"""What a service is, where it lives, and how one is started, asked and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.process import POLL, Process, rights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_SECONDS = 60.0  # a broker takes 2 on a quiet machine, 20 on a busy one
STOP_SECONDS = 30.0
_TAIL, _TAIL_BYTES = 15, 1 << 20


class StackError(Exception):
    """Something of the stack failed; the text says what, why, and what to do next."""


class SilentError(Exception):
    """A service does not answer; the text says how."""


@dataclass(frozen=True)
class Place:
    """Where a stack lives.

    Attributes:
        folder: holds a folder for each service: data, log, process number.
        ports: by the names of ports.env, such as `KAFKA_PORT`.
        programs: what is fetched and the same for every stack, such as Kafka's jars.
    """

    folder: Path
    ports: Mapping[str, int]
    programs: Path = ROOT / ".stack" / "programs"

    def of(self, service: Service) -> Path:
        """The folder of a service."""
        return self.folder / service.name

    def log(self, service: Service) -> Path:
        """What it says goes here."""
        return self.of(service) / "log"

    def pid(self, service: Service) -> Path:
        """Its process is remembered here, from its start until it is stopped."""
        return self.of(service) / "pid"


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: of the service, of its folder, and the beginning of its port's name.
        needs: programs it wants on this machine, as tools/system-packages.sh knows them.
        present: the needed programs' place, empty where they are missing.
        prepare: makes what must lie on disk before it starts, where it is not there.
        command: program and arguments, in the foreground.
        ask: asks the service itself how it is, and returns what it says; raises SilentError.
        environment: the variables that lead Penstock to it.
        gently: the signal that ends it in order.
        user: who runs it where the caller is root; empty: root.
    """

    name: str
    needs: tuple[str, ...]
    present: Callable[[], str]
    prepare: Callable[[Place, Path], None]
    command: Callable[[Place, Path], list[str]]
    ask: Callable[[Place], str]
    environment: Callable[[Place, Path], dict[str, str]]
    gently: signal.Signals = signal.SIGTERM
    user: Callable[[], str] = str

    @property
    def port(self) -> str:
        """The name of its port in ports.env."""
        return f"{self.name.upper()}_PORT"


@dataclass(frozen=True, slots=True)
class Health:
    """How a service is.

    Attributes:
        state: `up`; `silent` (runs, does not answer); `down` (was started, is gone); `off`.
        said: what it answered, or what is known of it.
        pid: its process, 0 where there is none.
    """

    state: str
    said: str
    pid: int = 0


def health(service: Service, place: Place) -> Health:
    """How it is, by asking it; a service that runs but is not ours is off."""
    process = Process.read(place.pid(service))
    if process is None:
        return Health("off", "not started")
    if not process.lives:
        return Health("down", f"process {process.pid} is gone; its log: {place.log(service)}")
    try:
        return Health("up", service.ask(place), process.pid)
    except SilentError as error:
        return Health("silent", str(error), process.pid)


def launch(service: Service, place: Place) -> bool:
    """Start it, unless it runs; returns at once, before it is ready.

    Returns:
        False where it ran already.

    Raises:
        StackError: a program is missing, its port is taken, or preparing failed.
    """
    process = Process.read(place.pid(service))
    if process is not None and process.lives:
        return False
    install(service)
    number = place.ports[service.port]
    if _taken(number):
        raise StackError(
            f"{service.name}: port {number} is taken by something this stack did not start\n"
            f"  next  stop it, or change {service.port} in deploy/native/ports.env"
        )
    folder = place.of(service)
    folder.mkdir(parents=True, exist_ok=True)
    place.log(service).write_bytes(b"")  # of this start alone
    service.prepare(place, folder)
    words = service.command(place, folder)
    Process.spawn(words, place.log(service), user=service.user()).write(place.pid(service))
    return True


def wait(service: Service, place: Place, seconds: float = START_SECONDS) -> str:
    """Until it answers.

    Returns:
        What it said.

    Raises:
        StackError: it has ended, or took too long; it is stopped then.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = health(service, place)
        if found.state == "up":
            return found.said
        late = time.monotonic() > deadline
        if found.state in {"down", "off"} or late:
            stop(service, place)
            why = f"does not answer after {seconds:.0f} s" if late else "ended as it started"
            raise StackError(
                f"{service.name} {why}; the end of {place.log(service)}:\n"
                + "\n".join(f"  | {line}" for line in tail(place.log(service), _TAIL))
                + "\n  next  mend what it says, then start it again;"
                f" rm -r {place.of(service)} lets it begin anew, without its data"
            )
        time.sleep(POLL * 2)


def stop(service: Service, place: Place) -> str:
    """End it, if it is ours; its data stays.

    Returns:
        What became of it, in a few words.
    """
    process = Process.read(place.pid(service))
    if process is None:
        return "not started"
    lived = process.lives
    in_order = process.end(service.gently, STOP_SECONDS)
    place.pid(service).unlink()
    return "had ended by itself" if not lived else "stopped" if in_order else "killed: it hung"


def install(service: Service) -> None:
    """See that its programs are here; root on Debian and Ubuntu gets them installed.

    Raises:
        StackError: they are not, and cannot be had.
    """
    if service.present():
        return
    said = subprocess.run(
        ["sh", str(ROOT / "tools" / "system-packages.sh"), *service.needs],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    ).stdout  # fmt: skip
    if not service.present():
        programs = " and ".join(service.needs)
        raise StackError(
            f"{service.name} needs {programs}: {said.strip()}\n"
            f"  next  install them with this system's packages, as root on Debian:"
            f" sh tools/system-packages.sh {' '.join(service.needs)}"
        )


def on_path(*names: str) -> Callable[[], str]:
    """A test for programs on PATH: gives the last one's place where all are there."""

    def present() -> str:
        found = [shutil.which(name) or "" for name in names]
        return found[-1] if all(found) else ""

    return present


def run(words: list[str], what: str, *, next_step: str, user: str = "") -> None:
    """Run a step of preparing to its end.

    Raises:
        StackError: it failed; has the end of what it said, and the next step.
    """
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        cwd="/", **rights(user),
    )  # fmt: skip
    if done.returncode:
        last = "\n".join(f"  | {line}" for line in str(done.stdout).splitlines()[-_TAIL:])
        raise StackError(f"{what} failed:\n{last}\n  next  {next_step}")


def tail(file: Path, lines: int) -> Iterator[str]:
    """The last lines of a log, however long it is; none where there is none."""
    if file.exists():
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            yield from log.read().decode("utf-8", "replace").splitlines()[-lines:]


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
