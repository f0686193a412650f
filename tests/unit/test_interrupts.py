"""Ctrl-C is remembered where it is swallowed."""

from __future__ import annotations

import subprocess
import sys

SWALLOWS = """
import os, signal, sys
from penstock import interrupts
interrupts.listen()
class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        [None for _ in range(1000)]
Deaf()
assert interrupts.seen()
sys.stdout.write("went on")
"""


def test_what_a_destructor_swallows_is_known_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWS], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "went on", done.stderr
    assert done.stderr == ""  # no trace of what is heeded a moment later
