"""Metadata of an SQL file: YAML in its first block comment."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from penstock.project.objects import Header, nearest

if TYPE_CHECKING:
    from penstock.project.statements import Text

RELATION_KEYS = frozenset(
    {
        "description",
        "owner",
        "grain",
        "reason",
        "partitions_per_insert",
        "conserves",
        "from_silver",
        "columns",
        "units",
        "schedule",
        "notes",
        "renamed_from",
        "renames",
        "not_null",
        "unique",
        "accepted",
        "range",
        "fresh",
    }
)
ENDPOINT_KEYS = frozenset(
    {
        "description",
        "owner",
        "reason",
        "defaults",
        "params",
        "cache",
        "max_stale",
        "row_policy",
        "columns",
        "units",
        "notes",
    }
)
ALERT_KEYS = frozenset(
    {
        "description",
        "owner",
        "reason",
        "defaults",
        "every",
        "for",
        "keep",
        "key",
        "severity",
        "notify",
        "message",
        "units",
        "notes",
    }
)


def header(text: Text, known: frozenset[str]) -> Header:
    """Read the metadata of a file.

    A key that Penstock does not know is the author's own, unless it looks like a slip in one it
    knows. A comment that holds no `key: value` is the description.

    Args:
        text: the file; mistakes are noted in it.
        known: the keys that mean something to Penstock.
    """
    block = _first_block(text)
    if block is None:
        return Header()
    line, body = block
    try:
        values = _load(body)
    except _YamlError as error:
        text.problem(
            line + error.line,
            f"the metadata in the first block comment is not YAML: {error}",
            "quote a text that holds a colon",
        )
        return Header()
    if isinstance(values, str):
        return Header(" ".join(values.split()), MappingProxyType({"description": values}))
    if not isinstance(values, dict):
        return Header()
    for key in values:
        near = nearest(str(key), known)
        if near and key not in known and _slip(str(key), near):
            text.problem(
                line + _key_line(body, str(key)), f"unknown key {key!r}", f"did you mean {near!r}?"
            )
    description = str(values.get("description") or "").strip()
    return Header(description, MappingProxyType({str(k): v for k, v in values.items()}))


class _YamlError(Exception):
    """What the YAML parser says, and how many lines below the comment's start."""

    def __init__(self, cause: str, line: int) -> None:
        super().__init__(cause)
        self.line = line


def _load(body: str) -> object:
    import yaml  # noqa: PLC0415 - only where a project is read

    try:
        values: object = yaml.safe_load(body)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise _YamlError(str(error.problem), mark.line if mark else 0) from error
    except yaml.YAMLError as error:
        raise _YamlError(str(error), 0) from error
    return values


def _first_block(text: Text) -> tuple[int, str] | None:
    first = text.pieces[0][0].start if text.pieces else len(text.sql)
    for comment in text.comments:
        if comment.text.startswith("/*") and comment.start < first:
            return comment.line, comment.text[2:-2]
    return None


def _slip(key: str, near: str) -> bool:
    """Whether two keys are alike enough to be one word mistyped."""
    from difflib import SequenceMatcher  # noqa: PLC0415

    return SequenceMatcher(None, key.lower(), near).ratio() >= 0.8  # noqa: PLR2004 - one letter in five


def _key_line(body: str, key: str) -> int:
    for number, line in enumerate(body.splitlines()):
        if line.strip().strip("'\"").startswith(key):
            return number
    return 0
