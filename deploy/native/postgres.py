"""PostgreSQL: a cluster of one's own that asks for a password and can be read by Debezium."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.process import rights
from deploy.native.service import HOST, Place, Service, SilentError, StackError, run

if TYPE_CHECKING:
    from collections.abc import Mapping

USER = "penstock"
LOGICAL = {"wal_level": "logical", "max_slot_wal_keep_size": "2GB"}
"""What lets changes be read from it; a slot that nobody reads must not fill the disk."""
_DEBIAN = Path("/usr/lib/postgresql")  # which keeps the server's programs off PATH
_SECONDS = 5


def programs() -> Path | None:
    """The folder that holds `initdb` and `postgres`, of the newest version; None without one."""
    versions = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("postgres")
    return Path(found).parent if found and shutil.which("initdb") else None


def url(folder: Path, port: int, database: str = "postgres") -> str:
    """What goes into DATABASE_URL."""
    return f"postgresql://{USER}:{_password(folder).read_text()}@{HOST}:{port}/{database}"


def service(settings: Mapping[str, str]) -> Service:
    """A server with settings of postgresql.conf."""

    def command(place: Place, folder: Path) -> list[str]:
        given = {"listen_addresses": HOST, **settings}
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        return [
            *(_program("postgres"), "-D", str(folder / "data"), "-k", str(folder)),
            *("-p", str(place.ports["POSTGRES_PORT"]), *options),
        ]

    return Service(
        name="postgres",
        needs=("postgres",),
        present=lambda: str(programs() or ""),
        prepare=_prepare,
        command=command,
        ask=_ask,
        environment=lambda place, folder: {
            "DATABASE_URL": url(folder, place.ports["POSTGRES_PORT"])
        },
        gently=signal.SIGINT,  # ends it together with whoever is connected
        user=_owner,
    )


def _prepare(_: Place, folder: Path) -> None:
    owner = _owner()
    if owner:  # what it makes is its own, the log included
        shutil.chown(folder, owner)
        _reachable(folder, owner)
    if (folder / "data" / "PG_VERSION").exists():
        return
    word = _password(folder)
    word.touch(mode=0o600)
    word.write_text(secrets.token_urlsafe(12))
    if owner:
        shutil.chown(word, owner)
    shutil.rmtree(folder / "data", ignore_errors=True)  # of a run that was cut short
    run(
        [
            *(_program("initdb"), "-D", str(folder / "data"), "-U", USER),
            *("--auth-local=peer", "--auth-host=scram-sha-256", "--pwfile", str(word)),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        ],
        "making PostgreSQL's cluster",
        next_step=f"rm -r {folder}, then again",
        user=owner,
    )


def _reachable(folder: Path, owner: str) -> None:
    """The folders above may keep others out: those of root's home do."""
    done = subprocess.run(["test", "-w", str(folder)], cwd="/", check=False, **rights(owner))
    if done.returncode:
        raise StackError(
            f"postgres: the user {owner}, whom root lends it, cannot reach {folder}\n"
            "  next  put the stack elsewhere, such as: make stack STACK=/var/tmp/penstock-stack"
        )


def _ask(place: Place) -> str:
    port = str(place.ports["POSTGRES_PORT"])
    done = subprocess.run(
        [_program("pg_isready"), "-h", HOST, "-p", port, "-t", str(_SECONDS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout.strip().removeprefix(f"{HOST}:{port} - ")
    if done.returncode:
        raise SilentError(f"pg_isready: {said or done.stderr.strip()}")
    return said


def _program(name: str) -> str:
    return str((programs() or Path()) / name)


def _password(folder: Path) -> Path:
    return folder / "password"


def _owner() -> str:
    """The server refuses to run as root: root lends it the user that comes with the package."""
    return "postgres" if os.geteuid() == 0 else ""


POSTGRES = service(LOGICAL)
