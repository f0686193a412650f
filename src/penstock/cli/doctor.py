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

from penstock.cli import services
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
from penstock.cli.services import Finding
from penstock.cli.terminal import Json, emit, say
from penstock.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.cli.running import Running

_PYTHON = (3, 11)
_SPACE = 5 * 1024**3
_EPOCH_2025 = 1_735_689_600
_AWAY = 6


def doctor(project: ProjectPath = HERE, data: DataPath = None, json: Json = False) -> None:
    """Check this machine and the services that are named; exit 1 or 6 where something is wrong."""
    from penstock.cli.running import sought

    root = home(project)
    settings = settings_of(root) if root else Settings.load()
    folder = (data or data_folder(root or Path(), settings)).resolve()
    running = sought(project, data)
    findings = list(_findings(settings, folder, running))
    if json:
        emit(
            [{"check": f.check, "ok": not f.fix, "found": f.found, "fix": f.fix} for f in findings]
        )
    else:
        for finding in findings:
            print(f"{'BAD' if finding.fix else 'ok '} {finding.check}: {finding.found}")
            if finding.fix:
                print(f"      next  {finding.fix}")
    options = again(project, data)
    if any(finding.fix for finding in findings):
        say(f"next: mend what is BAD, then penstock doctor{options}")
        raise typer.Exit(_AWAY if any(finding.away for finding in findings) else 1)
    start = f"penstock up{options}" if root else "penstock demo"
    say(f"next: penstock status{options}" if running else f"next: {start}")


def _findings(settings: Settings, folder: Path, running: Running | None) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < _PYTHON
    yield Finding("python", version, "install Python 3.11 or newer" if old else "")
    try:
        yield Finding("engine", f"chdb-core {metadata.version('chdb-core')}")
    except metadata.PackageNotFoundError:
        fix = "pip install chdb-core (Linux and macOS have wheels)"
        yield Finding("engine", "not installed", fix)
    yield _port("port", settings.number("port"), _penstock(address(settings)))
    yield Finding("platform", f"runs at {running.url}" if running else "none runs here")
    if not settings.text("clickhouse_url"):
        engine_port = settings.number("engine_port")
        own = running is not None and running.engine_port == engine_port
        yield _port("engine_port", engine_port, "the engine of that Penstock" if own else "")
    yield from services.findings(settings)
    yield _rights(folder)
    free = shutil.disk_usage(_existing(folder)).free
    fix = "" if free > _SPACE else "free some space, or choose another disk with PENSTOCK_DATA=…"
    yield Finding("disk", f"{free / 1024**3:.1f} GB free", fix)
    clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    yield Finding("clock", clock, "" if time.time() > _EPOCH_2025 else "set the machine's clock")


def _penstock(url: str) -> str:
    from penstock.cli.running import answers

    return f"a Penstock runs there: {url}" if answers(url) else ""


def _port(name: str, port: int, ours: str) -> Finding:
    """Whether a port can be had; `ours` says who has it where that is as it should be."""
    if ours:
        return Finding(name, f"{port}: {ours}")
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    fix = f"stop what listens there, or set PENSTOCK_{name.upper()}=…" if taken else ""
    return Finding(name, f"{port} {'is taken' if taken else 'is free'}", fix)


def _rights(folder: Path) -> Finding:
    ok = os.access(_existing(folder), os.W_OK)
    fix = "" if ok else "choose a folder that you may write with PENSTOCK_DATA=…"
    return Finding("data", f"{folder} {'can' if ok else 'cannot'} be written", fix)


def _existing(folder: Path) -> Path:
    return next(p for p in (folder, *folder.parents) if p.exists())
