"""What commands say: data to standard output, words to standard error; and their help."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

if TYPE_CHECKING:
    from typer._click.core import Command as Named
    from typer._click.core import Context
    from typer._click.formatting import HelpFormatter

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class Command(TyperCommand):
    """A command whose help shows a flag without a type, and a list as what is in it."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help."""
        _plain(self, ctx)
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """A group of commands, with help like theirs."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help."""
        _plain(self, ctx)
        super().format_help(ctx, formatter)


def _plain(command: Named, ctx: Context) -> None:
    for word in command.get_params(ctx):
        if isinstance(word, TyperOption) and word.is_flag:
            word.metavar = ""
        elif isinstance(word, TyperArgument) and word.nargs != 1:
            word.type_descriptor = replace(word.type_descriptor, annotation=str)


def say(words: str = "") -> None:
    """Words for a person."""
    sys.stderr.write(f"{words}\n")


def emit(document: Any) -> None:  # noqa: ANN401 - any JSON
    """One JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def table(rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Rows in aligned columns, with a head; on a terminal no line is longer than it is wide."""
    cells = [columns, *([_printable(row.get(c, "")) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        text = text.rstrip()
        sys.stdout.write((text if len(text) <= most else text[: most - 1] + "…") + "\n")


def _printable(value: object) -> str:
    """A value as one line of text; what could command a terminal is shown as a mark."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
