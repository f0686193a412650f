"""A file of alerts/ becomes an alert: a SELECT, how often it is asked, and who is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast, get_args

from penstock.errors import UsageError
from penstock.project.endpoints import endpoint, line_of
from penstock.project.header import ALERT_KEYS
from penstock.project.objects import Alert, Severity
from penstock.settings import duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from penstock.project.objects import Endpoint
    from penstock.project.statements import Text

CHANNELS = ("log", "webhook", "slack", "mail")
"""Who can be told, besides the page."""

_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_PLACE = re.compile(r"\{(\w+)\}")
_EVERY, _LEAST = "1m", 1.0  # seconds


def alert(text: Text, path: Path, domain: str, database: str) -> Alert | None:
    """Read an alert; None, with the mistakes noted in `text`, where there is no SELECT."""
    query = endpoint(text, path, domain, database, ALERT_KEYS)
    if query is None:
        return None
    for param in query.params:
        if param.required:
            cause = f"parameter {param.name!r} has no default, and nobody asks an alert"
            text.problem(line_of(text, "defaults"), cause, f"add defaults: {{{param.name}: …}}")
    every = _seconds(text, query, "every", _EVERY)
    if every < _LEAST:
        text.problem(line_of(text, "every"), f"every: {every} s is too often", "every: 1s or more")
    severity = query.header.text("severity") or "warning"
    if severity not in _SEVERITIES:
        cause = f"severity is {severity!r}"
        text.problem(line_of(text, "severity"), cause, f"one of {', '.join(_SEVERITIES)}")
    notify = _names(query, "notify") or ("log",)
    for name in notify:
        if name not in CHANNELS:
            cause = f"notify names {name!r}"
            text.problem(line_of(text, "notify"), cause, f"of {', '.join(CHANNELS)}")
    return Alert(
        query,
        max(every, _LEAST),
        _seconds(text, query, "for", "0s"),
        _seconds(text, query, "keep", "0s"),
        _names(query, "key"),
        cast("Severity", severity),
        notify,
        query.header.text("message"),
    )


def placeholders(message: str) -> tuple[str, ...]:
    """The columns that a message names, as `{column}`."""
    return tuple(_PLACE.findall(message))


def filled(alert: Alert, row: Mapping[str, object]) -> str:
    """What is said of a row: the alert's message, else its description, else its name."""
    text = alert.message or alert.query.header.description or alert.name
    return _PLACE.sub(lambda match: str(row.get(match[1], match[0])), text)


def _seconds(text: Text, query: Endpoint, key: str, default: str) -> float:
    try:
        return duration(query.header.text(key) or default)
    except UsageError as error:
        text.problem(line_of(text, key), f"{key}: {error.what}", error.next_step)
        return duration(default)


def _names(query: Endpoint, key: str) -> tuple[str, ...]:
    """A name, or a list of them."""
    value = query.header.values.get(key)
    listed = value if isinstance(value, list) else [value] if value else []
    return tuple(str(name).strip() for name in listed)
