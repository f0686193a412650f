"""A platform that runs: how a command finds it and speaks to it over HTTP."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock import durable
from penstock.cli.place import HERE, Place, address, data_folder, home, settings_of, sketch
from penstock.errors import EngineDownError, InvalidProjectError, PenstockError, UsageError
from penstock.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from penstock.engine.client import Address
    from penstock.project import Project

DEMO = Path("penstock-demo")
"""Where `penstock demo` keeps its data unless told otherwise."""

DEMO_KAFKA = Path("penstock-demo-kafka")
"""And with `--kafka`: a topic's positions are none of a spool's."""

RECORD = "running.json"
"""The file in a data directory that says who runs in it, for as long as it does."""

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_OK = 200
_LONG = 86_400.0  # seconds: a backfill takes its time, and shows how far it is


@dataclass(frozen=True, slots=True)
class Running:
    """A platform that runs.

    Attributes:
        url: of its page and its API.
        engine_port: where its own engine answers on 127.0.0.1; 0 where it uses a server.
        project: its project's folder; None where only its address is known.
        data: its data directory; None where only its address is known.
    """

    url: str
    engine_port: int
    project: Path | None = None
    data: Path | None = None

    def key(self, what: str) -> str:
        """The key of its data directory.

        Args:
            what: wants it, as the beginning of a sentence: `a link needs`.

        Raises:
            UsageError: its data directory is not known.
        """
        from penstock.engine.datadir import key

        if self.data is None:
            raise UsageError(
                f"{what} the key of the platform at {self.url}",
                next_step="name its data directory with --data",
            )
        return key(self.data)

    def engine(self, *, write: bool) -> Address:
        """Its engine's address, with the key where something is to be written.

        Raises:
            UsageError: it has no engine of its own, or the key is needed and its data directory
                is not known.
        """
        from penstock.engine.client import Address

        if not self.engine_port and (url := _server(self.project)):
            return Address.parse(url)
        if not self.engine_port:
            raise UsageError(
                f"the platform at {self.url} uses a ClickHouse server",
                next_step="set CLICKHOUSE_URL here as it is set there",
            )
        if not write:
            return Address("127.0.0.1", self.engine_port)
        return Address("127.0.0.1", self.engine_port, "penstock", self.key("writing needs"))


@dataclass(frozen=True, slots=True)
class Engine:
    """Where statements go, and whose names they use.

    Attributes:
        address: of the engine.
        root: the project's folder; None where it is not known.
    """

    address: Address
    root: Path | None

    def project(self) -> Project | None:
        """The project as far as it can be understood; None where it is not known."""
        return None if self.root is None else sketch(self.root)


def engine_of(project: Path, data: Path | None, *, write: bool = False) -> Engine:
    """The engine of the platform a command is about, or the server that CLICKHOUSE_URL names.

    Args:
        project: of the command; `HERE` where it names none.
        data: of the command; None where it names none.
        write: whether the key is sent.

    Raises:
        EngineDownError: no platform runs. UsageError: the key is not known.
    """
    from penstock.engine.client import Address

    if url := _server(home(project)):
        return Engine(Address.parse(url), home(project))
    running = look(project, data)
    return Engine(running.engine(write=write), home(project) or running.project)


def _server(root: Path | None) -> str:
    """The ClickHouse server that environment and project name; empty where they name none."""
    try:
        settings = settings_of(root) if root is not None else Settings.load()
    except InvalidProjectError:  # its mistakes are no hindrance here
        settings = Settings.load()
    return settings.text("clickhouse_url")


def write_record(place: Place) -> Path:
    """Note in the data directory who runs in it; returns the file, to be removed at the end."""
    path = place.data / RECORD
    embedded = not place.settings.text("clickhouse_url")
    document = {
        "project": str(place.project.root),
        "url": place.url,
        "engine_port": place.settings.number("engine_port") if embedded else 0,
        "pid": os.getpid(),
    }
    durable.replace(path, json.dumps(document).encode())
    return path


def look(project: Path = HERE, data: Path | None = None) -> Running:
    """The platform a command is about; arguments as for `sought`.

    Raises:
        EngineDownError: none runs. InvalidProjectError, UsageError: as for `sought`.
    """
    running = sought(project, data)
    if running is None:
        raise EngineDownError(
            f"no platform runs {f'in {data}' if data else 'here'}",
            next_step="start it: penstock up, or penstock demo; "
            "where it runs elsewhere, name its data directory with --data",
        )
    return running


def sought(project: Path = HERE, data: Path | None = None) -> Running | None:
    """The platform that runs a project or in a data directory; None where none does.

    It is looked for by the records in the data directories that the words of the command, the
    environment, the project and the demo name, then at the address of the settings. Only
    penstock.toml is read, so mistakes in other files are no hindrance.

    Args:
        project: of the command; `HERE` where it names none.
        data: of the command; None where it names none.

    Raises:
        UsageError: the folder named has no project. InvalidProjectError: penstock.toml has
            mistakes, and nothing is found without it.
    """
    root = home(project)
    if data is not None:
        return _recorded(data)
    settings, broken = Settings.load(), None
    if root is not None:
        try:
            settings = settings_of(root)
        except InvalidProjectError as error:
            broken = error
    for folder in (data_folder(root or Path(), settings), DEMO, DEMO_KAFKA):
        found = _recorded(folder)
        if found is not None and root in {None, found.project}:
            return found
    if broken is not None:
        raise broken
    url = address(settings)
    if not answers(url) or (root is not None and not _runs(url, root)):
        return None
    return Running(url, settings.number("engine_port"), root)


def _recorded(data: Path) -> Running | None:
    """The platform that the record in a data directory names, if it still runs."""
    try:
        found = json.loads((data / RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not _alive(found["pid"]) or not answers(found["url"]):  # it was killed
        return None
    return Running(found["url"], found["engine_port"], Path(found["project"]), data.resolve())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _runs(url: str, root: Path) -> bool:
    """Whether the platform at an address runs the project of a folder, by its name."""
    from penstock.project import PROJECT_FILE
    from penstock.project.toml_files import project_file

    own = project_file(root / PROJECT_FILE, [])
    return get(f"{url}/v1/status").get("project") in {own.title, own.name}


def http(url: str, *, timeout: float) -> httpx2.Client:
    """A client for an address; no proxy stands between two processes of one machine."""
    import httpx2

    return httpx2.Client(timeout=timeout, trust_env=httpx2.URL(url).host not in _LOOPBACK)


def get(
    url: str, params: Mapping[str, str | int] | None = None, *, timeout: float = 300.0
) -> dict[str, Any]:
    """A JSON document of the running platform.

    Raises:
        EngineDownError: nothing answers there. PenstockError: it answered with a problem.
    """
    import httpx2

    try:
        with http(url, timeout=timeout) as client:
            response = client.get(url, params=params)
    except httpx2.TransportError as error:
        raise silent(url) from error
    if response.status_code != _OK:
        raise refusal(url, response)
    return document(response)


def document(response: httpx2.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty where it is none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def silent(url: str) -> EngineDownError:
    """The error of an address where nothing answers."""
    return EngineDownError(
        f"no platform answers at {url.partition('/v1/')[0]}",
        next_step="start it with `penstock up` or `penstock demo`",
    )


def refusal(url: str, response: httpx2.Response) -> PenstockError:
    """The error of an answer that is a problem, in its own words."""
    problem = document(response)
    detail = problem.get("detail") or response.text[:200]
    said = detail if problem.get("detail") else f"{url} answered {response.status_code}: {detail}"
    return PenstockError(said, next_step=str(problem.get("next", "")))


def post(url: str, body: dict[str, Any], *, key: str, timeout: float = _LONG) -> dict[str, Any]:
    """Ask the running platform to do something that only its owner may ask.

    Args:
        url: of the platform's API.
        body: sent as JSON.
        key: of the data directory.
        timeout: seconds it may take.

    Raises:
        EngineDownError: nothing answers there. PenstockError: it refused, with its exit code.
    """
    import httpx2

    try:
        with http(url, timeout=timeout) as client:
            response = client.post(url, json=body, headers={"Authorization": f"Bearer {key}"})
    except httpx2.TransportError as error:
        raise silent(url) from error
    if response.status_code == _OK:
        return document(response)
    told = document(response)
    refused = refusal(url, response)
    refused.exit_code = int(told.get("exit_code", 1))
    refused.reference = str(told.get("reference", refused.reference))
    raise refused


def answers(url: str) -> bool:
    """Whether a platform runs at an address."""
    import httpx2

    try:
        with http(url, timeout=2.0) as client:
            response = client.get(f"{url}/healthz")
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False
    return response.status_code == _OK and response.text.strip() == "ok"
