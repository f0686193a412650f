"""Speaking to a platform that runs, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from penstock.errors import EngineDownError, PenstockError


def get(url: str, *, timeout: float = 300.0) -> dict[str, Any]:
    """A JSON document of the running platform.

    Raises:
        EngineDownError: nothing answers there. PenstockError: it answered with a problem.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - http to loopback
            document: dict[str, Any] = json.load(answer)
            return document
    except urllib.error.HTTPError as error:
        raise PenstockError(f"{url} answered {error.code}: {error.read().decode()}") from error
    except (urllib.error.URLError, OSError) as error:
        raise EngineDownError(
            f"no platform answers at {url.partition('/v1/')[0]}",
            next_step="start it with `penstock up` or `penstock demo`",
        ) from error


def answers(url: str) -> bool:
    """Whether a platform runs at an address."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
