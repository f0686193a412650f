"""Bodies of requests that are one JSON object, as the store and the engine can keep it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

# PostgreSQL keeps no NUL. As JSON writes it: after no backslash, or an even number of them.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def read_object(body: bytes) -> dict[str, Any]:
    """A body's JSON object.

    Raises:
        ValueError: it is none, it is nested beyond reading, or it holds what nothing else can be
            sent: a number that is none or infinite, a NUL, half a surrogate pair.
    """
    try:
        found = json.loads(body)
        text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - one kind for all of it
    text.encode()
    if _NUL.search(text):
        raise ValueError("a text of it holds a NUL")
    return found
