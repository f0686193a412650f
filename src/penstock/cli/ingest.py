"""`penstock ingest`: a file's rows through an HTTP source of the running platform."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, home, sketch
from penstock.cli.terminal import Json, emit, say
from penstock.errors import LandingBlockedError, PenstockError, UsageError

if TYPE_CHECKING:
    import httpx2

    from penstock.layers.convert import FileFormat
    from penstock.project import Source

_TRIES = 120  # a full spool empties in seconds; two minutes mean that something is blocked
_OK, _ACCEPTED, _TOO_MANY = 200, 202, 429
_POLL = 0.2  # seconds between looks at whether rows are landed


def ingest(
    source: Annotated[
        str, typer.Argument(help="readings or homes/readings: kind http with FILE, or kind file.")
    ],
    file: Annotated[Path | None, typer.Argument(help="CSV, NDJSON or Parquet.")] = None,
    project: ProjectPath = HERE,
    data: DataPath = None,
    shift_to: Annotated[
        str, typer.Option(help="`now`: move all times by one offset, so that the last is now.")
    ] = "",
    url: Annotated[str, typer.Option(help="Address of the platform; else it is found.")] = "",
    json: Json = False,
) -> None:
    """Send a file; returns when its rows can be queried, and says how many are dead letters."""
    from penstock.cli.running import http, look
    from penstock.layers.convert import records

    if shift_to not in {"", "now"}:
        raise UsageError(f"--shift-to {shift_to} is unknown", next_step="--shift-to now")
    running = None if url else look(project, data)
    root = home(project) or (running.project if running else None)
    path, form, target = _resolve(root, source, file)
    if shift_to and not form.shifts:
        raise UsageError(
            f"the times of {path.name} cannot be moved: nothing says where they are",
            next_step="make it a source of kind file whose SELECT adds {shift_ms:Int64} to them",
        )
    address = (running.url if running else url).rstrip("/")
    with http(address, timeout=120.0) as client:
        delivery = _Delivery(client, address, target)
        for body, rows in records(path, form, to_now=bool(shift_to)):
            delivery.send(body, rows)
    account = delivery.account()
    if json:
        emit({"source": target, "file": str(path), **account})
    else:
        _tell(account, target, again(project, data))


def _resolve(root: Path | None, name: str, file: Path | None) -> tuple[Path, FileFormat, str]:
    """The file, how to read it, and the HTTP source it goes to.

    A source the project does not have is left to the platform, which says which ones it has.
    """
    from penstock.layers.convert import FileFormat

    found = _defined(root, name, needed=file is None)
    if found is not None and found.kind == "file":
        path = file or found.path.parent.parent / str(found.options["path"])
        return path, FileFormat.of(found), f"{found.domain}/{found.options['via']}"
    if file is None:
        raise UsageError(f"{name} needs a file", next_step=f"penstock ingest {name} FILE")
    return file, FileFormat.guess(file), name


def _defined(root: Path | None, name: str, *, needed: bool) -> Source | None:
    """The source of a project that is called so, with its domain or without."""
    domain, _, word = name.rpartition("/")
    project = None if root is None else sketch(root)
    if project is None:
        return None
    same = [s for s in project.sources() if s.name == word and domain in {"", s.domain}]
    if len(same) > 1:
        raise UsageError(
            f"{len(same)} domains have a source {word!r}",
            next_step="name one: " + " or ".join(f"{s.domain}/{s.name}" for s in same),
        )
    if not same and needed and domain:
        return project.source(domain, word)  # raises, with the nearest name
    return same[0] if same else None


@dataclass
class _Delivery:
    """Pieces on their way to one source, and what became of them.

    Args:
        client: with a timeout above the platform's own.
        url: of the platform.
        target: the source, with its domain or without.
    """

    client: httpx2.Client
    url: str
    target: str
    sent: int = 0
    _silver: int = 0
    _dead: int = 0
    _before: dict[str, Any] = field(default_factory=dict)

    def send(self, body: bytes, rows: int) -> None:
        """Send one piece and wait until it can be queried; again only what was not stored.

        Raises:
            PenstockError: refused, or it is not landed; says how many rows were sent before.
        """
        if not self.sent:
            self._before = self._counts()
        answer = self._post(body)
        self.sent += int(answer.get("accepted", rows))
        self._silver += int(answer.get("stored", 0))
        self._dead += int(answer.get("dead", 0))

    def account(self) -> dict[str, int | None]:
        """Rows acknowledged, and how many of them are in silver and how many dead letters.

        An answer that came before its rows were landed does not say so. Then the status is asked
        how its counts have moved: that is ours only while nobody else sends to this source, so it
        is None where the sums differ.
        """
        silver, dead = self._silver, self._dead
        if silver + dead != self.sent:
            after = self._counts()
            silver, dead = (after[k] - self._before[k] for k in ("good", "dead"))
        known = silver + dead == self.sent
        return {
            "acknowledged": self.sent,
            "silver": silver if known else None,
            "dead_letters": dead if known else None,
        }

    def _post(self, body: bytes) -> dict[str, Any]:
        """The answer to one piece, once its rows can be queried."""
        import httpx2

        from penstock.cli.running import document, refusal, silent

        address = f"{self.url}/v1/ingest/{self.target}"
        headers = {"Content-Type": "application/x-ndjson"}
        for _ in range(_TRIES):
            try:
                answer = self.client.post(
                    address, params={"wait": "true"}, content=body, headers=headers
                )
            except httpx2.TransportError as error:
                raise self._noting(silent(address)) from error
            if answer.status_code == _OK:
                return document(answer)
            if answer.status_code == _ACCEPTED:
                self._await_landed()
                return {"accepted": document(answer)["accepted"]}  # it could not say more yet
            if answer.status_code != _TOO_MANY:
                raise self._noting(refusal(address, answer))
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        raise self._noting(
            PenstockError(
                f"{address} has had no room for two minutes",
                next_step="penstock status says whether its source is blocked",
            )
        )

    def _await_landed(self) -> None:
        """Wait until all that the source has accepted by now is landed: ours is among it."""
        aim = self._counts()["accepted"]
        while (now := self._counts())["landed"] < aim:
            if now["state"] == "blocked":
                raise LandingBlockedError(
                    f"{self.target} is blocked: {now['reason']}",
                    next_step="what was sent is kept, and lands once that is mended",
                )
            time.sleep(_POLL)

    def _counts(self) -> dict[str, Any]:
        """What the status says of the source; empty where it has none of that name."""
        from penstock.cli.running import get

        for found in get(f"{self.url}/v1/status")["sources"]:
            if self.target in {found["source"], f"{found['domain']}/{found['source']}"}:
                return dict(found)
        return {}

    def _noting(self, error: PenstockError) -> PenstockError:
        """The error, with what has been stored before it."""
        if self.sent:
            error.where = f"after {self.sent:,} rows, which are stored: send the rest only"
        return error


def _tell(account: dict[str, int | None], target: str, options: str) -> None:
    """What became of the rows, and what to do next."""
    sent, silver, dead = (account[k] for k in ("acknowledged", "silver", "dead_letters"))
    if silver is None or dead is None:
        say(
            f"{sent:,} sent to {target} and landed; others send there, too, so how many of them are"
            " dead letters is not known"
        )
        say(f"next: penstock dead-letters ls{options}")
        return
    letters = "dead letter" if dead == 1 else "dead letters"
    say(f"{sent:,} sent to {target}: {silver:,} in silver, {dead:,} {letters}")
    say(f"next: penstock {'dead-letters ls' if dead else 'status'}{options}")
