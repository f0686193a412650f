"""The data directory of a command that reads no SQL: mistakes in a project are no hindrance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.errors import UsageError
from penstock.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def data_of(project: Path, data: Path | None) -> Path:
    """Where the data of a project are.

    Args:
        project: its folder.
        data: beats the settings where given; then no project is needed.

    Raises:
        UsageError: there is no project, or a value of it cannot be read.
    """
    if data is not None:
        return data.resolve()
    toml = project / _PROJECT_FILE
    if not toml.is_file():
        raise UsageError(
            f"there is no {_PROJECT_FILE} in {project}",
            next_step="name the project's folder with --project, or the data with --data",
        )
    settings = Settings.load(platform_table(toml))
    return (project.resolve() / settings.text("data")).resolve()


def platform_table(toml: Path) -> Mapping[str, Any]:
    """The settings in a project's file; none where there is no file.

    Raises:
        UsageError: it is no TOML.
    """
    import tomllib

    if not toml.is_file():
        return {}
    try:
        table = tomllib.loads(toml.read_text("utf-8")).get("platform", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{toml} is no TOML: {error}", next_step="mend that line") from error
    return table if isinstance(table, dict) else {}


def options(project: Path, data: Path | None) -> str:
    """The options by which the next command means the same, with a space before them."""
    import shlex

    words = [] if project == Path() else ["--project", str(project)]
    words += [] if data is None else ["--data", str(data)]
    return "".join(f" {shlex.quote(word)}" for word in words)


_PROJECT_FILE = "penstock.toml"
