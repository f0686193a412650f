"""Which project, settings and data directory a command is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.errors import UsageError
from penstock.settings import Settings

if TYPE_CHECKING:
    from penstock.engine.client import Address
    from penstock.project import Project

ProjectPath = Annotated[
    Path, typer.Option("--project", "-p", help="Folder with penstock.toml.", show_default=True)
]
DataPath = Annotated[
    Path | None, typer.Option("--data", help="Data directory; else PENSTOCK_DATA, else .data.")
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
        """Where the running platform answers."""
        return f"http://{self.settings.text('host')}:{self.settings.number('port')}"

    @property
    def engine(self) -> Address:
        """Where the engine answers, with the key."""
        from penstock.engine.client import Address
        from penstock.engine.datadir import key

        if url := self.settings.text("clickhouse_url"):
            return Address.parse(url)
        if not (self.data / "engine.key").is_file():
            raise UsageError(
                f"no platform has run in {self.data}",
                next_step="name its data directory with --data, as `penstock demo` printed it",
            )
        return Address("127.0.0.1", self.settings.number("engine_port"), "penstock", key(self.data))


def find(path: Path, data: Path | None = None, **changes: str | int | None) -> Place:
    """Load the project of a folder.

    Args:
        path: the folder.
        data: beats the setting where given.
        changes: settings given on the command line.

    Raises:
        InvalidProjectError: mistakes in its files. UsageError: there is no project.
    """
    import tomllib

    from penstock.project import PROJECT_FILE, load

    root = path.resolve()
    if not (root / PROJECT_FILE).is_file():
        raise UsageError(
            f"there is no {PROJECT_FILE} in {path}",
            next_step="name the project's folder with --project, or try `penstock demo`",
        )
    toml: dict[str, Any] = tomllib.loads((root / PROJECT_FILE).read_text("utf-8"))
    settings = Settings.load(toml.get("platform")).replace(**changes)
    project = load(root, prefix=settings.text("prefix"))
    chosen = data if data is not None else root / settings.text("data")
    return Place(project, settings, chosen.resolve())


def examples() -> Path:
    """The shipped project: inside the installed package, or in the clone it runs from."""
    import penstock

    package = Path(penstock.__file__).parent
    for folder in (package / "_examples", package.parent.parent / "examples"):
        if (folder / "penstock.toml").is_file():
            return folder
    raise UsageError("the examples are missing", next_step="install Penstock again")
