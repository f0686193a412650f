"""Values in the form in which the engine reads them: of `{name:Type}`, and in a statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACE: Final = re.compile(r"\{\s*(\w+)\s*:\s*(\w+)")
_LISTS: Final = {"Array", "Tuple", "Map"}  # TabSeparated has no escapes around these
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"})
_NULL: Final = "\\N"


def escaped(sql: str, values: Mapping[str, str | None]) -> dict[str, str]:
    """Values as in TabSeparated; None is NULL.

    Args:
        sql: the statement, whose places say what is a list.
        values: text by name, as a person would write it.
    """
    kinds = dict(_PLACE.findall(sql))
    return {name: _one(value, kinds.get(name, "")) for name, value in values.items()}


def _one(value: str | None, kind: str) -> str:
    if value is None:
        return _NULL
    return value if kind in _LISTS else value.translate(_ESCAPES)
