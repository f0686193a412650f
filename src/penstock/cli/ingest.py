"""`penstock ingest`: a file's rows through an HTTP source of the running platform."""

from __future__ import annotations

import json as encoder
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.place import ProjectPath, find
from penstock.cli.terminal import Json, emit, say
from penstock.errors import EngineDownError, PenstockError, UsageError

if TYPE_CHECKING:
    from penstock.layers.convert import FileFormat
    from penstock.project import Project

_TRIES = 120  # a full spool empties in seconds; two minutes mean that something is blocked


def ingest(
    source: Annotated[
        str, typer.Argument(help="domain/source: of kind http with FILE, or of kind file.")
    ],
    file: Annotated[Path | None, typer.Argument(help="CSV, NDJSON or Parquet.")] = None,
    project: ProjectPath = Path(),
    shift_to: Annotated[
        str, typer.Option(help="`now`: move all times by one offset, so that the last is now.")
    ] = "",
    url: Annotated[str, typer.Option(help="Address of the platform; else the project's.")] = "",
    json: Json = False,
) -> None:
    """Send a file; returns when its rows can be queried."""
    from penstock.layers.convert import records

    if shift_to not in {"", "now"}:
        raise UsageError(f"--shift-to {shift_to} is unknown", next_step="--shift-to now")
    place = find(project)
    path, form, target = _resolve(place.project, source, file)
    address = f"{url or place.url}/v1/ingest/{target}"
    sent = 0
    for body, rows in records(path, form, to_now=bool(shift_to)):
        _post(address, body)
        sent += rows
    if json:
        emit({"source": target, "file": str(path), "acknowledged": sent})
    else:
        say(f"{sent:,} rows of {path.name} are in {target}")
        say("next: penstock status")


def _resolve(project: Project, name: str, file: Path | None) -> tuple[Path, FileFormat, str]:
    """The file, how to read it, and the HTTP source it goes to."""
    from penstock.layers.convert import FileFormat

    domain, _, word = name.partition("/")
    source = project.source(domain, word)
    if source.kind == "file":
        path = file or project.domain(domain).root / str(source.options["path"])
        return path, FileFormat.of(source), f"{domain}/{source.options['via']}"
    if source.kind != "http" or file is None:
        raise UsageError(
            f"{name} is of kind {source.kind}" if file else f"{name} needs a file",
            next_step=f"penstock ingest {name} FILE",
        )
    return file, FileFormat.guess(file), name


def _post(address: str, body: bytes) -> None:
    """Send one piece and wait until it can be queried; send again only what was not stored."""
    for _ in range(_TRIES):
        request = urllib.request.Request(  # noqa: S310 - an address the user gave
            f"{address}?wait=true", body, {"Content-Type": "application/x-ndjson"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120):  # noqa: S310 - as above
                return
        except urllib.error.HTTPError as error:
            if error.code != 429:  # noqa: PLR2004 - Too Many Requests
                detail = encoder.loads(error.read()).get("detail", "")
                raise PenstockError(f"{address} refused the rows: {detail}") from error
            time.sleep(float(error.headers.get("Retry-After", "1")))
        except (urllib.error.URLError, OSError) as error:
            raise EngineDownError(
                f"no platform answers at {address}",
                next_step="start it with `penstock up`; what was sent before is stored",
            ) from error
    raise PenstockError(
        f"{address} has had no room for two minutes",
        next_step="`penstock status` says whether its source is blocked",
    )
