"""Who may speak to a loopback port: programs on this machine, not web pages of other origins."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCAL = {"127.0.0.1", "localhost", "::1"}


def is_stranger(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from a page of another origin, or through a rebound name.

    Args:
        headers: of the request, looked up in lower case.
    """
    host = headers.get("host", "")
    origin = headers.get("origin")
    try:
        foreign = origin is not None and urlsplit(origin).netloc != host
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return True  # no browser and no tool of ours writes such a name
    elsewhere = headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}
    return name not in _LOCAL or foreign or elsewhere
