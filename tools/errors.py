"""Writes docs/errors.md from the tree of errors; a test compares the two.

Usage: python tools/errors.py > docs/errors.md
"""

from __future__ import annotations

import inspect
import sys

from penstock import errors

HEAD = """# Errors

Every error has a reference that stays the same however its words change. The command line \
shows it first, then the cause, the place, the fix and a command; the API has it as \
`reference` of problem+json, beside the `code` of the case at hand. Where an error knows a \
more exact fix than the one here, it says so itself. This page is written by `tools/errors.py` \
from `errors.py`.

| reference | what it means | what helps | begin with | exit code |
|---|---|---|---|---|
"""


def every() -> list[type[errors.PenstockError]]:
    """All errors, by reference."""
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PenstockError)
    ]
    return sorted(found, key=lambda kind: kind.reference)


def page() -> str:
    """The whole document."""
    rows = []
    for kind in every():
        means = "It failed." if kind is errors.PenstockError else _meaning(kind)
        cells = [f"`{kind.reference}`", means, kind.fix, f"`{kind.command}`", str(kind.exit_code)]
        rows.append("| " + " | ".join(cells) + " |\n")
    return HEAD + "".join(rows)


def _meaning(kind: type[errors.PenstockError]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


if __name__ == "__main__":
    sys.stdout.write(page())
