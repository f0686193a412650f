"""`penstock doctor`: what of this machine would stop Penstock, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from penstock.cli.place import (
    HERE,
    DataPath,
    ProjectPath,
    address,
    again,
    data_folder,
    home,
    settings_of,
)
from penstock.cli.terminal import Json, emit, say
from penstock.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.cli.running import Running

_PYTHON = (3, 11)
_SPACE = 5 * 1024**3
_EPOCH_2025 = 1_735_689_600


def doctor(project: ProjectPath = HERE, data: DataPath = None, json: Json = False) -> None:
    """Check Python, engine, ports, disk, rights and clock; exit 1 where something is wrong."""
    from penstock.cli.running import sought

    root = home(project)
    settings = settings_of(root) if root else Settings.load()
    folder = (data or data_folder(root or Path(), settings)).resolve()
    running = sought(project, data)
    findings = list(_findings(settings, folder, running))
    if json:
        emit([{"check": c, "ok": not fix, "found": f, "fix": fix} for c, f, fix in findings])
    else:
        for check, found, fix in findings:
            print(f"{'ok ' if not fix else 'BAD'} {check}: {found}")
            if fix:
                print(f"      next  {fix}")
    options = again(project, data)
    if any(fix for _, _, fix in findings):
        say(f"next: mend what is BAD, then penstock doctor{options}")
        raise typer.Exit(1)
    start = f"penstock up{options}" if root else "penstock demo"
    say(f"next: penstock status{options}" if running else f"next: {start}")


def _findings(
    settings: Settings, folder: Path, running: Running | None
) -> Iterator[tuple[str, str, str]]:
    """(check, found, fix) each; an empty fix means that it is right."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield "python", version, "" if sys.version_info >= _PYTHON else "install Python 3.11 or newer"
    try:
        yield "engine", f"chdb-core {metadata.version('chdb-core')}", ""
    except metadata.PackageNotFoundError:
        yield "engine", "not installed", "pip install chdb-core (Linux and macOS have wheels)"
    yield _port("port", settings.number("port"), _penstock(address(settings)))
    yield "platform", f"runs at {running.url}" if running else "none runs here", ""
    if url := settings.text("clickhouse_url"):
        yield _server(url)
    else:
        engine_port = settings.number("engine_port")
        own = running is not None and running.engine_port == engine_port
        yield _port("engine_port", engine_port, "the engine of that Penstock" if own else "")
    yield _rights(folder)
    free = shutil.disk_usage(_existing(folder)).free
    fix = "" if free > _SPACE else "free some space, or choose another disk with PENSTOCK_DATA=…"
    yield "disk", f"{free / 1024**3:.1f} GB free", fix
    clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    yield "clock", clock, "" if time.time() > _EPOCH_2025 else "set the machine's clock"


def _penstock(url: str) -> str:
    from penstock.cli.running import answers

    return f"a Penstock runs there: {url}" if answers(url) else ""


def _port(name: str, port: int, ours: str) -> tuple[str, str, str]:
    """Whether a port can be had; `ours` says who has it where that is as it should be."""
    if ours:
        return name, f"{port}: {ours}", ""
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    fix = f"stop what listens there, or set PENSTOCK_{name.upper()}=…" if taken else ""
    return name, f"{port} {'is taken' if taken else 'is free'}", fix


def _server(url: str) -> tuple[str, str, str]:
    """Whether the ClickHouse server that is named answers."""
    from penstock.engine.client import Address, Client
    from penstock.errors import PenstockError

    try:
        address = Address.parse(url)
        version = Client(address, timeout=10).value("SELECT version()")
    except PenstockError as error:
        return "clickhouse", error.what, error.next_step or "check CLICKHOUSE_URL"
    return "clickhouse", f"{address.host}:{address.port} answers: ClickHouse {version}", ""


def _rights(folder: Path) -> tuple[str, str, str]:
    ok = os.access(_existing(folder), os.W_OK)
    fix = "" if ok else "choose a folder that you may write with PENSTOCK_DATA=…"
    return "data", f"{folder} {'can' if ok else 'cannot'} be written", fix


def _existing(folder: Path) -> Path:
    return next(p for p in (folder, *folder.parents) if p.exists())
