"""Which project, settings and data directory a command is about."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.errors import InvalidProjectError, UsageError
from penstock.settings import HIGHEST_PORT, Settings, record

if TYPE_CHECKING:
    from penstock.project import Project

HERE = Path()
"""The default of `--project`: the folder one is in, or the nearest above that has a project."""

ProjectPath = Annotated[
    Path, typer.Option("--project", "-p", help="Folder with penstock.toml.", show_default=True)
]
DataPath = Annotated[
    Path | None, typer.Option("--data", help="Data directory; else PENSTOCK_DATA, else .data.")
]
Port = Annotated[
    int | None, typer.Option(min=1, max=HIGHEST_PORT, help=record("port").help, metavar="PORT")
]
EnginePort = Annotated[
    int | None,
    typer.Option(min=1, max=HIGHEST_PORT, help=record("engine_port").help, metavar="PORT"),
]


@dataclass(frozen=True, slots=True)
class Place:
    """A project with its settings.

    Attributes:
        project: loaded.
        settings: in force.
        data: the data directory.
    """

    project: Project
    settings: Settings
    data: Path

    @property
    def url(self) -> str:
        """Where the platform is to answer."""
        return address(self.settings)

    @property
    def clickhouse(self) -> str:
        """Where ClickHouse answers, and what may be done there without a key."""
        from penstock.engine.client import Address

        if url := self.settings.text("clickhouse_url"):
            return Address.parse(url).shown
        return f"http://127.0.0.1:{self.settings.number('engine_port')}  (read-only)"


def find(path: Path, data: Path | None = None, **changes: str | int | None) -> Place:
    """Load the project of a folder.

    Args:
        path: the folder; `HERE` also looks in the folders above.
        data: beats the setting where given.
        changes: settings given on the command line.

    Raises:
        InvalidProjectError: mistakes in its files. UsageError: there is no project.
    """
    from penstock.project import PROJECT_FILE, load

    root = home(path)
    if root is None:
        raise UsageError(
            f"there is no {PROJECT_FILE} in {path}",
            next_step="name the project's folder with --project, or try `penstock demo`",
        )
    settings = settings_of(root).replace(**changes)
    project = load(root, prefix=settings.text("prefix"))
    return Place(project, settings, (data or data_folder(root, settings)).resolve())


def home(path: Path) -> Path | None:
    """The project's folder; None where `path` is `HERE` and no folder up from here has one.

    Raises:
        UsageError: a folder was named, and it has no project.
    """
    from penstock.project import PROJECT_FILE

    root = path.resolve()
    if path == HERE:
        return next((p for p in (root, *root.parents) if (p / PROJECT_FILE).is_file()), None)
    if not (root / PROJECT_FILE).is_file():
        raise UsageError(
            f"there is no {PROJECT_FILE} in {path}",
            next_step="name the folder that has it: --project FOLDER",
        )
    return root


def settings_of(root: Path) -> Settings:
    """The settings of a project's folder.

    Raises:
        InvalidProjectError: its penstock.toml has mistakes; all others of the project are listed
            with them. UsageError: the environment has a value that does not fit.
    """
    from penstock.errors import Problem
    from penstock.project import PROJECT_FILE, read
    from penstock.project.toml_files import project_file

    problems: list[Problem] = []
    platform = project_file(root / PROJECT_FILE, problems).settings.get("platform")
    if problems:
        raise InvalidProjectError(read(root)[1])
    return Settings.load(platform if isinstance(platform, dict) else None)


def sketch(root: Path) -> Project:
    """A project as far as it can be understood, for its names: mistakes in it are no hindrance."""
    from penstock.project import read

    try:
        prefix = settings_of(root).text("prefix")
    except InvalidProjectError:
        prefix = Settings.load().text("prefix")
    return read(root, prefix=prefix, rules=False)[0]


def data_folder(root: Path, settings: Settings) -> Path:
    """The data directory that the settings name, for a project in `root`."""
    folder = Path(settings.text("data"))
    return folder if settings.origins["data"] == "environment" else root / folder


def data_of(project: Path, data: Path | None) -> Path:
    """The data directory of a command that reads no SQL: mistakes there are no hindrance.

    Raises:
        UsageError: neither it nor a project is named, and there is none here.
    """
    if data is not None:
        return data.resolve()
    root = home(project)
    if root is None:
        raise UsageError(
            f"there is no penstock.toml in {project}",
            next_step="name the project's folder with --project, or the data with --data",
        )
    return data_folder(root, settings_of(root)).resolve()


def address(settings: Settings) -> str:
    """Where a platform with these settings answers."""
    return f"http://{settings.text('host')}:{settings.number('port')}"


def refuse_unused(data: Path) -> None:
    """Raise UsageError where no platform has ever run in a data directory: looking makes none."""
    if not (data / "platform.lock").is_file():
        raise UsageError(
            f"no platform has run in {data}",
            next_step="name its data directory with --data, as `penstock demo` printed it",
        )


def again(project: Path = HERE, data: Path | None = None) -> str:
    """The options that the next command needs as this one did, with a space before them."""
    words = [] if project == HERE else ["--project", str(project)]
    words += [] if data is None else ["--data", str(data)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def examples() -> Path:
    """The shipped project: inside the installed package, or in the clone it runs from."""
    import penstock

    package = Path(penstock.__file__).parent
    for folder in (package / "_examples", package.parent.parent / "examples"):
        if (folder / "penstock.toml").is_file():
            return folder
    raise UsageError("the examples are missing", next_step="install Penstock again")
