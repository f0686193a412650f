"""The services of this machine for Penstock, without containers: start, status, logs, stop.

Usage: python3 -m deploy.native.stack start|status|stop [SERVICE …], or logs SERVICE. What it says
goes to standard error; `start` writes the variables that lead Penstock there to standard output.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.kafka import KAFKA
from deploy.native.postgres import POSTGRES
from deploy.native.redis import REDIS
from deploy.native.service import ROOT, Place, Service, StackError, health, launch, stop, tail, wait

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = {service.name: service for service in (KAFKA, REDIS, POSTGRES)}
PORTS = Path(__file__).with_name("ports.env")
FAILED, UNREACHED = 1, 6
_NEXT = 'next: take these lines into your shell, eval "$(make -s stack)", then penstock doctor'


def ports(file: Path = PORTS) -> dict[str, int]:
    """The ports of a file of lines NAME=NUMBER, by name."""
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    named = dict(line.split("=", 1) for line in lines if line.strip())
    return {name: int(number) for name, number in named.items()}


def start(services: list[Service], place: Place) -> None:
    """Start those that do not run, all at once, and wait until each answers.

    Raises:
        StackError: one cannot be started; the others go on.
    """
    failed = []
    began = time.monotonic()
    launched: dict[str, bool] = {}
    with _alone(place):
        for service in services:
            try:
                launched[service.name] = launch(service, place)
            except StackError as error:
                failed.append(str(error))
        for service in services:
            if service.name not in launched:
                continue
            try:
                said = wait(service, place)
            except StackError as error:
                failed.append(str(error))
                continue
            how = f"up after {time.monotonic() - began:.1f} s"
            _say(f"{service.name:<9} {how if launched[service.name] else 'runs already'}: {said}")
            for name, value in service.environment(place, place.of(service)).items():
                print(f"export {name}={shlex.quote(value)}")
    if failed:
        raise StackError("\n".join(failed))


def status(services: list[Service], place: Place, *, as_json: bool) -> bool:
    """Print how each is; whether all that were started answer."""
    rows = []
    for service in services:
        found = health(service, place)
        rows.append({
            "service": service.name, "state": found.state, "pid": found.pid or None,
            "port": place.ports[service.port], "said": found.said,
        })  # fmt: skip
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print("{service:<9} {state:<7} port {port:<6} {said}".format(**row))
    return all(row["state"] in {"up", "off"} for row in rows)


def main(words: list[str]) -> int:
    """Carry out one verb; returns the exit code: 1 failed, 2 usage, 6 one does not answer."""
    given = _parser().parse_args(words)
    folder = given.folder.resolve()
    place = Place(folder, ports(given.ports))
    services = [SERVICES[name] for name in given.services] or list(SERVICES.values())
    try:
        if given.verb == "start":
            start(services, place)
            _say(_NEXT)
        elif given.verb == "stop":
            with _alone(place):
                for service in reversed(services):
                    _say(f"{service.name:<9} {stop(service, place)}")
        elif given.verb == "status":
            if not status(services, place, as_json=given.json):
                _say("next: make stack-logs SERVICE=…, then make stack")
                return UNREACHED
        else:
            return _logs(services, place, given.lines)
    except StackError as error:
        _say(str(error))
        return FAILED
    return 0


def _logs(services: list[Service], place: Place, lines: int) -> int:
    for service in services:
        if not place.log(service).exists():
            _say(f"{service.name} has not been started\n  next  make stack SERVICES={service.name}")
            return FAILED
        for line in tail(place.log(service), lines):
            print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy.native.stack", description=__doc__)
    parser.add_argument("verb", choices=("start", "stop", "status", "logs"))
    parser.add_argument("services", nargs="*", metavar="SERVICE", choices=[*SERVICES, []])
    parser.add_argument("--folder", type=Path, default=ROOT / ".stack", help="where all lies")
    parser.add_argument("--ports", type=Path, default=PORTS, help="a file like ports.env")
    parser.add_argument("--lines", type=int, default=100, help="how many logs shows")
    parser.add_argument("--json", action="store_true", help="status as one document")
    return parser


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """One start or stop at a time."""
    place.folder.mkdir(parents=True, exist_ok=True)
    with (place.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
