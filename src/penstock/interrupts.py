"""Ctrl-C that is heeded even where somebody swallows it.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a destructor or a
library's import it may be ignored there; who works in rounds asks here whether one has come.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

_SEEN: list[int] = []


def listen() -> None:
    """Remember each SIGINT from now on, and raise KeyboardInterrupt as before.

    One that Python must ignore, as in a callback of its garbage collector, is not shown as an
    error: it is remembered, and ends the process a moment later.
    """
    signal.signal(signal.SIGINT, _note)
    sys.unraisablehook = _tell


def seen() -> bool:
    """Whether somebody has pressed Ctrl-C."""
    return bool(_SEEN)


def _note(number: int, _frame: FrameType | None) -> None:
    _SEEN.append(number)
    raise KeyboardInterrupt


def _tell(unraisable: UnraisableHookArgs) -> None:
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
