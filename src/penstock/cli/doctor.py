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

from penstock.cli.place import DataPath
from penstock.cli.terminal import Json, emit, say
from penstock.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHON = (3, 11)
_SPACE = 5 * 1024**3
_EPOCH_2025 = 1_735_689_600


def doctor(data: DataPath = None, json: Json = False) -> None:
    """Check Python, engine, ports, disk, rights and clock; exit 1 where something is wrong."""
    settings = Settings.load()
    folder = (data or Path(settings.text("data"))).resolve()
    findings = list(_findings(settings, folder))
    if json:
        emit([{"check": c, "ok": not fix, "found": f, "fix": fix} for c, f, fix in findings])
    else:
        for check, found, fix in findings:
            say(f"{'ok ' if not fix else 'BAD'} {check}: {found}")
            if fix:
                say(f"      next  {fix}")
    if any(fix for _, _, fix in findings):
        raise typer.Exit(1)


def _findings(settings: Settings, folder: Path) -> Iterator[tuple[str, str, str]]:
    """(check, found, fix) each; an empty fix means that it is right."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield "python", version, "" if sys.version_info >= _PYTHON else "install Python 3.11 or newer"
    try:
        yield "engine", f"chdb-core {metadata.version('chdb-core')}", ""
    except metadata.PackageNotFoundError:
        yield "engine", "not installed", "pip install chdb-core (Linux and macOS have wheels)"
    for name in ("port", "engine_port"):
        yield _port(name, settings.number(name))
    yield _rights(folder)
    free = shutil.disk_usage(_existing(folder)).free
    fix = "" if free > _SPACE else "free some space, or choose another disk with PENSTOCK_DATA=…"
    yield "disk", f"{free / 1024**3:.1f} GB free", fix
    clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    yield "clock", clock, "" if time.time() > _EPOCH_2025 else "set the machine's clock"


def _port(name: str, port: int) -> tuple[str, str, str]:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    fix = f"stop what listens there, or set PENSTOCK_{name.upper()}=…" if taken else ""
    return name, f"{port} {'is taken' if taken else 'is free'}", fix


def _rights(folder: Path) -> tuple[str, str, str]:
    ok = os.access(_existing(folder), os.W_OK)
    fix = "" if ok else "choose a folder that you may write with PENSTOCK_DATA=…"
    return "data", f"{folder} {'can' if ok else 'cannot'} be written", fix


def _existing(folder: Path) -> Path:
    return next(p for p in (folder, *folder.parents) if p.exists())
