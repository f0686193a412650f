"""Work that is dear and that many may ask for at once, such as the proof of counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Shared:
    """Work that many may ask for and that runs once at a time.

    Whoever asks while it runs shares the next run with all others who do: that one began after
    they asked, so it misses nothing they know of.
    """

    def __init__(self, work: Callable[[], dict[str, Any]]) -> None:
        self._work = work
        self._running = threading.Lock()
        self._begun = self._done = 0
        self._result: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        """The result of a run that began after this call."""
        wanted = self._begun + 1
        with self._running:
            if self._done < wanted:
                self._begun += 1
                self._result = self._work()
                self._done = self._begun
            return self._result
