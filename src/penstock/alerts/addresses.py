"""Addresses of channels, judged where the settings are read: what is off fails at the start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

_SPEC = r"[^\s@<>()\[\],;:\\\"]+@[\w-]+(?:\.[\w-]+)*"
_NAME = r"(?:\"[^\"\\\x00-\x1f]*\"\s*|[^<>@(),;:\"\\\x00-\x1f]*)"
_MAILBOX = re.compile(rf"{_SPEC}|{_NAME}<{_SPEC}>")


def wrong(url: str, schemes: Collection[str]) -> str:
    """What keeps a URL from naming a server, for people; empty where nothing does.

    Args:
        url: as it was set; as it may hold a secret, nothing of it is in what is given.
        schemes: that it may begin with.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "its port is no number from 1 to 65535, or its brackets do not match"
    if parts.scheme not in schemes:
        return f"it begins with none of {', '.join(f'{each}://' for each in schemes)}"
    if port == 0:
        return "its port is no number from 1 to 65535"
    try:
        host.encode("ascii")  # the client of webhooks takes no other; DNS no empty label
        host.encode("idna")
    except UnicodeError:
        return "its host is no name (beyond ASCII it is written as xn--…)"
    return "" if host else "it has no host"


def mailbox(text: str) -> bool:
    """Whether a text is one address of mail, as a@example.org or Name <a@example.org>."""
    return _MAILBOX.fullmatch(text) is not None
