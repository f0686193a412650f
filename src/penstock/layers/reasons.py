"""Why a record is a dead letter, in words: what the words of `_error` mean, and which field it is.

The words are the user's own, of the bronze file. Those that `penstock new source` writes and that
the design names are explained; any other is shown as it stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock.project.objects import Relation

# A name and the beginning of its type, after the bracket or comma of a Tuple.
_NAME = re.compile(r"[(,]\s*(`[^`]+`|[A-Za-z_]\w*)\s+[A-Z]")
_WHOLE = {
    "tombstone": "The record says that its key is deleted: it has no value.",
    "empty": "The record is empty.",
    "too_large": "The record is larger than is taken.",
    "not_utf8": "The record has bytes that are no UTF-8 text.",
    "not_json": "The record cannot be read as JSON.",
    "not_object": "The record is JSON, but not an object with fields.",
    "unknown": "A condition of _error gave no answer for the record.",
}
_OF_FIELD = {
    "missing": "{field} is missing, null or empty.",
    "type": "{field} is of another type than is taken.",
    "range": "{field} is outside of the range that is taken.",
    "unparsable": "{field} cannot be read as a time.",
    "value": "{field} has a value that cannot be used.",
}


class Meaning(NamedTuple):
    """What a reason says: `words` for people, and the `field` it is about; empty where unknown."""

    words: str
    field: str


def meaning(reason: str, fields: Iterable[str]) -> Meaning:
    """What a reason says.

    Args:
        reason: of `_error`, with or without the detail after its colon.
        fields: of the record, by their names.
    """
    kind = reason.partition(": ")[0]
    if kind in _WHOLE:
        return Meaning(_WHOLE[kind], "")
    about = [name for name in fields if kind == name or kind.startswith(f"{name}_")]
    if not about:
        return Meaning("", "")
    name = max(about, key=len)
    words = _OF_FIELD.get(kind[len(name) + 1 :], "{field} does not fit.")
    return Meaning(words.format(field=name), name)


def fields(bronze: Relation) -> tuple[str, ...]:
    """The names of the fields that a bronze table reads a record into: those of `doc`."""
    doc = bronze.table.column("doc") if bronze.table else None
    found = _NAME.findall(doc.type) if doc else []
    return tuple(dict.fromkeys(name.strip("`") for name in found))
