"""What a rule finds, and the search for functions that rules share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.project.lexer import Token

_UNREPEATABLE = re.compile(
    r"now|now64|nowinblock|nowinblock64|today|yesterday|current_timestamp|current_date|curdate"
    r"|localtimestamp|utctimestamp|utc_timestamp|rand|rand32|rand64|randconstant|randcanonical"
    r"|rand[a-z]+|fuzzbits|generate(?:uuid|ulid|snowflake|random|serial)\w*|rownumber\w*"
    r"|blocknumber|runningaccumulate|runningdifference\w*|neighbor|hostname|fqdn|queryid|query_id"
    r"|initialqueryid|initial_query_id|initialquerystarttime|connectionid|serveruuid|uptime"
    r"|filesystem\w*|currentuser|current_user|blockserializedsize|sleep|sleepeachrow"
)
_WORDS = {"current_timestamp", "current_date", "localtimestamp"}


class Finding(NamedTuple):
    """One breach of a rule: line of the file, what is wrong, what to do."""

    line: int
    cause: str
    hint: str


def find(found: Sequence[Token], name: str, *, prefix: bool = False) -> Iterator[Token]:
    """Calls of a function by name in small letters, or of all that start with it."""
    for index, called in lexer.called(found):
        lower = called.lower()
        if lower == name or (prefix and lower.startswith(name)):
            yield found[index]


def unrepeatable(found: Sequence[Token], where: str) -> Iterator[Finding]:
    """Functions whose answer is another one at the second try of the same batch."""
    hits = [found[index] for index, name in lexer.called(found) if _is_unrepeatable(name)]
    hits += [t for t in found if t.kind == lexer.WORD and t.text.lower() in _WORDS]
    for token in dict.fromkeys(hits):
        cause = f"{token.text}() in {where}: the same batch tried twice would give other rows"
        yield Finding(token.line, cause, "use columns of the row, such as _ingested_at")


def _is_unrepeatable(name: str) -> bool:
    return _UNREPEATABLE.fullmatch(name.lower()) is not None
