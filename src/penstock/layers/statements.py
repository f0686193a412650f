"""Loads the SQL files of this package by name."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_FIRST_COMMENT = re.compile(r"\A\s*/\*.*?\*/\s*", re.DOTALL)


@cache
def load(name: str) -> str:
    """The statement of `sql/{name}.sql`, without its leading comment.

    `{word}` in it is filled in by `fill`; `{word:Type}` is ClickHouse's own parameter.
    """
    text = resources.files("penstock.layers").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return _FIRST_COMMENT.sub("", text).strip()


def fill(name: str, **words: str | int) -> str:
    """A statement with its `{word}`s replaced: names of relations and numbers of ours only."""
    text = load(name)
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", str(value))
    return text
