"""Values of an endpoint's parameters: as asked, else their defaults; whole numbers in their range.

The engine parses and checks them by their types, with one gap: a whole number that does not fit
its type runs over in silence, and home 4294967303 would be shown home 7.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from penstock.errors import BadInputError, UsageError
from penstock.project import macros
from penstock.project.endpoints import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.project.objects import Endpoint, Param

_WRAPPED = re.compile(r"(?:Nullable|LowCardinality|Array)\((.*)\)")
_LIST = re.compile(r"Array\((?:(?:LowCardinality|Nullable)\()*(\w+).*\)")
_WHOLE = re.compile(r"(U?)Int(8|16|32|64|128|256)")
_QUOTED = {"String", "FixedString", "UUID", "Date", "Date32", "DateTime", "DateTime64",
           "Enum8", "Enum16", "IPv4", "IPv6"}  # fmt: skip
_NUMBERS = re.compile(r"[+-]?\d+")
_LIST_OF_NUMBERS = re.compile(r"[\s\[\],+\-\d]*")


def bind(endpoint: Endpoint, given: Mapping[str, str]) -> dict[str, str | None]:
    """Values of an endpoint's parameters; None is NULL.

    Raises:
        BadInputError: status 400, for an unknown, a missing or an impossible value.
    """
    names = [p.name for p in endpoint.params]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise BadInputError(
            400,
            "Unknown parameter",
            f"{endpoint.name} has no parameter {unknown[0]!r}",
            next_step=f"it has: {', '.join(names) or 'none'}",
        )
    missing = [p.name for p in endpoint.params if p.required and p.name not in given]
    if missing:
        raise BadInputError(
            400,
            "Missing parameter",
            f"{endpoint.name} needs {missing[0]}",
            next_step=f"add ?{missing[0]}=…",
        )
    values = {p.name: given.get(p.name, p.default) for p in endpoint.params}
    if endpoint.written:
        _bind_span(values, given)
        for param in endpoint.params:
            values[param.name] = _chosen(param, values[param.name])
    for param in endpoint.params:
        _check_range(param, values[param.name])
    return values


def _bind_span(values: dict[str, str | None], given: Mapping[str, str]) -> None:
    """`from` and `to` as macros read them; the step where it is not asked for."""
    span = []
    for name in ("from", "to"):
        text = values.get(name)
        try:
            span.append(macros.moment(text if text is not None else macros.SPAN[name]))
        except UsageError as error:
            raise BadInputError(
                400, "Bad parameter", f"{name}: {error.what}", next_step=error.next_step
            ) from error
        if name in values:
            values[name] = str(span[-1])
    if "interval_s" in values and "interval_s" not in given:
        values["interval_s"] = str(macros.step(*span))


def _chosen(param: Param, value: str | None) -> str | None:
    """What a viewer chose, for a query with macros, in the form of the parameter's type.

    «All» is sent as an empty text, and one of a list by itself.
    """
    if param.type.startswith("Nullable"):
        return value or None
    listed = _LIST.fullmatch(param.type)
    if value is None or listed is None or value.lstrip().startswith("["):
        return value
    if not value:
        return "[]"
    return as_text([value]) if listed[1] in _QUOTED else f"[{value}]"


def _check_range(param: Param, value: str | None) -> None:
    kind = param.type
    while wrapped := _WRAPPED.fullmatch(kind):
        kind = wrapped[1]
    whole = _WHOLE.fullmatch(kind)
    if whole is None or value is None or _LIST_OF_NUMBERS.fullmatch(value) is None:
        return
    unsigned, bits = bool(whole[1]), int(whole[2])
    least, most = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for number in _NUMBERS.findall(value):
        if len(number) > len(str(most)) + 1 or not least <= int(number) <= most:
            raise BadInputError(
                400,
                "Bad parameter",
                f"{param.name} is {number[:40]}, which is no {kind}",
                next_step=f"{kind} goes from {least} to {most}",
            )
