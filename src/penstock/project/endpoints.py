"""A file of serve/ becomes an endpoint: one SELECT, its parameters, the tables it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import UsageError
from penstock.project import lexer, macros
from penstock.project.header import ENDPOINT_KEYS, header
from penstock.project.lexer import PARAM, Token
from penstock.project.objects import Endpoint, Header, Param, nearest
from penstock.project.reads import tables_read
from penstock.settings import duration

if TYPE_CHECKING:
    from pathlib import Path

    from penstock.project.statements import Text

_STARTS = {"SELECT", "WITH", "("}
_REFUSED = {
    "FORMAT": "the address chooses the format: …/{name}.csv",
    "OUTFILE": "an endpoint answers over HTTP only",
}


def endpoint(
    text: Text, path: Path, domain: str, database: str, keys: frozenset[str] = ENDPOINT_KEYS
) -> Endpoint | None:
    """Read an endpoint; None, with the mistakes noted in `text`, where there is no SELECT."""
    plain, text = text, macros.expanded(text)
    meta = header(text, keys)
    if not text.pieces:
        if not text.problems:
            text.problem(0, "the file holds no SELECT", "write one")
        return None
    found = text.pieces[0]
    if len(text.pieces) > 1:
        text.problem(text.pieces[1][0].line, "an endpoint is one SELECT; here a second starts")
    if found[0].upper not in _STARTS:
        text.problem(found[0].line, f"an endpoint is a SELECT; this starts with {found[0].text!r}")
        return None
    _refused_words(text, found, path.stem)
    _times(text, meta)
    sql = text.body(found)
    return Endpoint(
        domain,
        database,
        path.stem,
        path,
        sql,
        found[0].line,
        meta,
        _params(text, found, meta, timed=text is not plain),
        tables_read(sql, found),
        tokens=tuple(found),
        written=plain.body(plain.pieces[0]) if text is not plain else "",
    )


def _params(text: Text, found: list[Token], meta: Header, *, timed: bool) -> tuple[Param, ...]:
    types: dict[str, str] = {}
    for token in found:
        name, kind = token.parameter if token.kind == PARAM else ("", "")
        if not name:
            continue
        if types.setdefault(name, kind) != kind:
            cause = f"parameter {name!r} is {types[name]} above and {kind} here"
            text.problem(token.line, cause, "one parameter, one type")
    defaults = _mapping(text, meta, "defaults", types)
    if timed:
        defaults = {**{k: v for k, v in macros.SPAN.items() if k in types}, **defaults}
        _moments(text, defaults)
    described = _mapping(text, meta, "params", types)
    return tuple(
        Param(name, kind, defaults.get(name), described.get(name) or "", name not in defaults)
        for name, kind in types.items()
    )


def _mapping(text: Text, meta: Header, key: str, params: dict[str, str]) -> dict[str, str | None]:
    """`defaults` or `params` of the header as text by parameter."""
    values = meta.values.get(key)
    line = line_of(text, key)
    if values is None:
        return {}
    if not isinstance(values, dict):
        text.problem(line, f"{key} holds {values!r}", f"write {key}: {{name: value}}")
        return {}
    for name in values:
        if str(name) in params:
            continue
        near = nearest(str(name), params)
        known = ", ".join(params) or "the SELECT has none"
        hint = f"did you mean {near!r}?" if near else f"parameters: {known}"
        text.problem(line_of(text, str(name)), f"{key} names {name!r}, no parameter", hint)
    return {str(name): as_text(value) for name, value in values.items()}


def _moments(text: Text, defaults: dict[str, str | None]) -> None:
    """Defaults of `from` and `to` as the engine takes them."""
    for name in ("from", "to"):
        value = defaults.get(name)
        if value is None:
            continue
        try:
            defaults[name] = str(macros.moment(value))
        except UsageError as error:
            text.problem(line_of(text, name), f"{name}: {error.what}", error.next_step)


def as_text(value: object) -> str | None:
    """A YAML value as a URL would carry it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        quoted = (
            "'" + v.replace("\\", "\\\\").replace("'", "\\'") + "'"
            if isinstance(v, str)
            else str(v)
            for v in value
        )
        return f"[{','.join(quoted)}]"
    return str(value)


def _refused_words(text: Text, found: list[Token], name: str) -> None:
    deep = lexer.depths(found)
    for index, token in enumerate(found[1:-1], 1):
        hint = _REFUSED.get(token.upper, "")
        after = found[index + 1]
        if hint and deep[index] == 0 and (after.is_name or after.kind == lexer.STRING):
            named = found[index - 1].upper == "AS"
            if not named:
                cause = f"{token.upper} is not for an endpoint"
                text.problem(token.line, cause, hint.format(name=name))


def _times(text: Text, meta: Header) -> None:
    for key in ("cache", "max_stale"):
        value = meta.values.get(key)
        if value is None:
            continue
        try:
            duration(str(value))
        except UsageError as error:
            text.problem(line_of(text, key), f"{key}: {error.what}", error.next_step)


def line_of(text: Text, key: str) -> int:
    """The line of the header on which a key stands."""
    for comment in text.comments[:1]:
        for number, line in enumerate(comment.text.splitlines(), comment.line):
            if line.strip().lstrip("{'\"").startswith(f"{key}") or f"{key}:" in line:
                return number
    return 1
