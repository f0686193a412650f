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


def post(url: str, body: dict[str, Any], *, key: str, timeout: float = 3600.0) -> dict[str, Any]:
    """Ask the running platform to do something that only its owner may ask.

    Args:
        url: of the platform's API.
        body: sent as JSON.
        key: of the data directory.
        timeout: seconds it may take.

    Raises:
        EngineDownError: nothing answers there. PenstockError: it refused, with its exit code.
    """
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(  # noqa: S310 - http to loopback
        url, json.dumps(body).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            document: dict[str, Any] = json.load(answer)
            return document
    except urllib.error.HTTPError as error:
        told = json.loads(error.read() or b"{}")
        refused = PenstockError(str(told.get("detail", error)), next_step=str(told.get("next", "")))
        refused.exit_code = int(told.get("exit_code", 1))
        raise refused from error
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
