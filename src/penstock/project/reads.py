"""Which tables a query reads: by a parser where it understands the text, else by its tokens.

sqlglot knows scopes, so a name of a WITH clause is told from a table. Text it cannot parse is no
mistake (the engine compiles every statement later); then the words after FROM and JOIN count.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from penstock.project import lexer
from penstock.project.lexer import OP, STRING, WORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlglot import exp

    from penstock.project.lexer import Token

_KEYWORDS = {"SELECT", "VALUES", "WITH", "LATERAL", "FINAL", "ARRAY"}
_FROM_INSIDE = {"extract", "trim", "substring", "overlay", "position"}


def tables_read(sql: str, found: Sequence[Token]) -> tuple[str, ...]:
    """Names of the tables and dictionaries a query reads, as written, each once, in order.

    Args:
        sql: the query; empty text leaves it to the tokens alone.
        found: the tokens of the same query.
    """
    parsed = _parsed(sql) if sql else None
    names = list(_by_tree(parsed)) if parsed is not None else []
    if not names:
        names = list(_by_tokens(found))
    names += _by_function(found)
    return tuple(dict.fromkeys(names))


def line_of(name: str, found: Sequence[Token]) -> int:
    """The line on which a table is read, or the first line of the query."""
    last = name.rsplit(".", 1)[-1]
    for index, token in enumerate(found):
        before = {t.upper for t in found[max(0, index - 4) : index]}
        if token.value == last and before & {"FROM", "JOIN", "IN", "TO", "("}:
            return token.line
    same = (t.line for t in found if t.value == last)
    return next(same, found[0].line if found else 0)


def _parsed(sql: str) -> exp.Expression | None:
    import sqlglot  # noqa: PLC0415 - 0.3 s, and only where a project is read
    from sqlglot import errors, exp  # noqa: PLC0415

    log = logging.getLogger("sqlglot")
    level = log.level
    log.setLevel(logging.CRITICAL)  # a text it does not understand is not the reader's concern
    try:
        tree = sqlglot.parse_one(sql, dialect="clickhouse")
    except (errors.SqlglotError, RecursionError):
        return None
    finally:
        log.setLevel(level)
    return None if isinstance(tree, exp.Command) else tree  # type: ignore[return-value,unused-ignore]


def _by_tree(tree: exp.Expression) -> Iterator[str]:
    from sqlglot import exp  # noqa: PLC0415

    aliases = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a table function: the rules and the engine look at it
        cte = table.find_ancestor(exp.CTE)
        own = cte is not None and cte.alias == table.name  # WITH t AS (SELECT … FROM t)
        if not table.db and table.name in aliases and not own:
            continue
        yield f"{table.db}.{table.name}" if table.db else table.name


def _by_tokens(found: Sequence[Token]) -> Iterator[str]:
    ctes = _with_names(found)
    callers: list[str] = []
    for index, token in enumerate(found):
        if token.kind == OP and token.text == "(":
            callers.append(found[index - 1].text.lower() if index else "")
        elif token.kind == OP and token.text == ")" and callers:
            callers.pop()
        if token.upper not in ("FROM", "JOIN", "IN") or index + 1 >= len(found):
            continue
        if token.upper == "FROM" and callers and callers[-1] in _FROM_INSIDE:
            continue
        if token.upper == "JOIN" and index and found[index - 1].upper == "ARRAY":
            continue
        name = _name_at(found, index + 1)
        if name and name not in ctes:
            yield name


def _name_at(found: Sequence[Token], at: int) -> str:
    token = found[at]
    if not token.is_name or token.upper in _KEYWORDS:
        return ""
    following = found[at + 1].text if at + 1 < len(found) else ""
    if following == "(":
        return ""
    if following == "." and at + 2 < len(found):
        return f"{token.value}.{found[at + 2].value}"
    return token.value


def _with_names(found: Sequence[Token]) -> set[str]:
    if not any(t.upper == "WITH" for t in found):
        return set()
    named = set()
    for index in range(len(found) - 2):
        name, word, mark = found[index : index + 3]
        if name.is_name and word.upper == "AS" and mark.text == "(":
            named.add(name.value)
    return named


def _by_function(found: Sequence[Token]) -> Iterator[str]:
    """Dictionaries and join tables that are named by a string, and a dictionary's own source."""
    for index, name in lexer.called(found):
        lower = name.lower()
        if lower.startswith(("dictget", "dicthas", "dictisin", "joinget")):
            first = lexer.arguments(found, index)
            if first and first[0][0].kind == STRING:
                yield first[0][0].value
    for index, token in enumerate(found[:-1]):
        after = found[index + 1]
        if token.kind == WORD and token.upper == "TABLE" and after.kind == STRING:
            yield after.value
        elif token.kind == WORD and token.upper == "QUERY" and after.kind == STRING:
            yield from tables_read(after.value, list(lexer.tokens(after.value)))
