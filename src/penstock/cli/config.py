"""`penstock config`: the settings in force, and who set them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, home
from penstock.cli.terminal import Json, emit, say, table
from penstock.errors import UsageError
from penstock.settings import SETTINGS, Setting, Settings, in_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

app = typer.Typer(no_args_is_help=True, help="The settings in force.")
_TOML = "penstock.toml"
_SECRET = re.compile(
    r"(?<=[?&])((?:password|passwd|pwd|key|token|secret)\w*)=[^&#]*", re.IGNORECASE
)


@app.command()
def show(
    project: ProjectPath = HERE,
    data: DataPath = None,
    origin: Annotated[bool, typer.Option("--origin", help="Where each value comes from.")] = False,
    json: Json = False,
) -> None:
    """Show every setting with its value; passwords are masked."""
    toml = (home(project) or HERE) / _TOML
    written = _platform_table(toml)
    settings = Settings.load(written).replace(data=str(data) if data else None)
    lines = _lines(toml.read_text("utf-8")) if toml.is_file() else {}
    rows = [_row(setting, settings, written, lines) for setting in SETTINGS]
    if json:
        emit(rows)
        return
    table(rows, ["name", "value", "origin"] if origin else ["name", "value"])
    say(f"next: penstock doctor{again(project, data)}")


def _row(
    setting: Setting, settings: Settings, written: Mapping[str, Any], lines: Mapping[str, int]
) -> dict[str, Any]:
    by = settings.origins[setting.name]
    text, origin = str(settings.values[setting.name]), by
    if by == "environment":
        given = setting.variable if setting.variable in os.environ else "CLICKHOUSE_HOST, …"
        text, origin = str(in_environment(setting)), f"{by}: {given}"
    elif by == _TOML:
        line = lines.get(setting.name)
        text, origin = str(written[setting.name]), f"{_TOML}:{line}" if line else _TOML
    elif by == "default":
        text = setting.default
    return {
        "name": setting.name,
        "value": "***" if text and setting.name in _HIDDEN else masked(text),
        "origin": origin,
        "variable": setting.variable,
        "help": setting.help,
    }


_HIDDEN = {"webhook_secret", "webhook_url", "slack_url", "kafka_sasl_password"}
"""Settings that are a secret as a whole; of an address, its path may be one."""


def masked(text: str) -> str:
    """A value that may be shown: without the password of an address, however it is written."""
    head, scheme, rest = text.partition("://")
    if not scheme:
        return text
    host = re.search(r"[/?#]", rest)
    place = rest[: host.start()] if host else rest
    # A password with an unescaped sign in it ends at the last @ that could end it.
    if "@" in rest and "@" not in place:
        place = rest[: rest.rindex("@") + 1]
    user, at, address = place.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = f"{name}{':***' if colon else ''}{at}{address}"
    return head + scheme + shown + _SECRET.sub(r"\1=***", rest[len(place) :])


def _lines(text: str) -> dict[str, int]:
    """The line of each key of `[platform]`, however the table is written."""
    found: dict[str, int] = {}
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([\w.\s\"']+?)\s*\]", line):
            inside = header[1].strip("\"'")
        elif key := re.match(r"\s*([\w.\"'-]+)\s*=", line):
            name = key[1].replace('"', "").replace("'", "")
            full = f"{inside}.{name}" if inside else name
            if full.startswith("platform."):
                found[full.removeprefix("platform.")] = number
            elif full == "platform":  # an inline table: all of its keys are on this line
                found |= dict.fromkeys(re.findall(r"(\w+)\s*=", line[key.end() :]), number)
    return found


def _platform_table(toml: Path) -> Mapping[str, Any]:
    import tomllib

    if not toml.is_file():
        return {}
    try:
        table = tomllib.loads(toml.read_text("utf-8")).get("platform", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{toml} is no TOML: {error}", next_step="mend that line") from error
    return table if isinstance(table, dict) else {}
