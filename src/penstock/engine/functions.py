"""The functions that an analyst's statement may call: `functions.txt`, read once.

The list is of the pinned engine, each function looked at. One that is not on it is refused, so
that what a newer engine or a user's CREATE FUNCTION adds stays closed until somebody opens it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

# What may follow the name of an aggregate function, as in sumIf or quantileArrayState.
_COMBINATORS = ("SimpleState", "OrDefault", "Distinct", "Resample", "ForEach", "ArgMax", "ArgMin",
                "OrNull", "Merge", "State", "Array", "Tuple", "Map", "If")  # fmt: skip
# What the parser and the analyzer know besides those of `system.functions`.
_BESIDES = {"lambda": "", "exists": "", "grouping": "", "untuple": ""}


class Functions(NamedTuple):
    """Verdicts on functions.

    Attributes:
        open: name to traits: `a` aggregates, `i` is known in any case of letters, `l` takes a
            lambda.
        loose: those of trait `i`, by their name in lower case.
        closed: name to why it is closed.
    """

    open: dict[str, str]
    loose: dict[str, str]
    closed: dict[str, str]

    def traits(self, name: str) -> str | None:
        """Traits of an open function; None for any other."""
        return self.open.get(name, self.loose.get(name.lower()))

    def aggregates(self, name: str) -> bool:
        """Whether it is an open aggregate function, with combinators or without."""
        while "a" not in (self.traits(name) or ""):
            end = next((c for c in _COMBINATORS if name.endswith(c)), "")
            if not end:
                return False
            name = name.removesuffix(end)
        return True

    def opens(self, name: str) -> bool:
        """Whether a statement may call it."""
        return self.traits(name) is not None or self.aggregates(name)


@cache
def reviewed() -> Functions:
    """The list as it is in the package."""
    text = resources.files("penstock.engine").joinpath("functions.txt").read_text("utf-8")
    opened, closed = dict(_BESIDES), {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.startswith("!"):
            closed[name[1:]] = rest
        elif not name.startswith("#"):
            opened[name] = rest
    loose = {name.lower(): traits for name, traits in opened.items() if "i" in traits}
    return Functions(opened, loose, closed)
