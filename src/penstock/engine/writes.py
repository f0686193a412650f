"""How often somebody else has written: a number that two processes share.

The platform counts the batches it lands itself. What others write through the front (an INSERT, a
TRUNCATE, by anybody with the key) it learns from here, before they are told that it is done.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = struct.Struct("<Q")


class Writes:
    """A counter in a small file that the engine's process raises and the platform reads.

    Args:
        path: the file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _NUMBER.size)
            self._memory = mmap.mmap(descriptor, _NUMBER.size)
        finally:
            os.close(descriptor)
        self._lock = threading.Lock()

    def note(self) -> None:
        """Somebody has written."""
        with self._lock:
            _NUMBER.pack_into(self._memory, 0, self.count() + 1)

    def count(self) -> int:
        """How often so far."""
        number: int = _NUMBER.unpack_from(self._memory, 0)[0]
        return number
