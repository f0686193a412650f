"""Ctrl-C that is heeded even where somebody swallows it.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a destructor or a
library's import it may be ignored there; who works in rounds asks here whether one has come.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_SEEN: list[int] = []


def listen() -> None:
    """Remember each SIGINT from now on, and raise KeyboardInterrupt as before."""
    signal.signal(signal.SIGINT, _note)


def seen() -> bool:
    """Whether somebody has pressed Ctrl-C."""
    return bool(_SEEN)


def _note(number: int, _frame: FrameType | None) -> None:
    _SEEN.append(number)
    raise KeyboardInterrupt
