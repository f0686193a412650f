"""A platform in the foreground of a command: its port, its start, its record and its end."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock import interrupts
from penstock.cli.open import address
from penstock.cli.running import answers, write_record
from penstock.cli.terminal import say
from penstock.errors import PortTakenError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import FrameType

    from penstock.cli.place import Place
    from penstock.layers.apply import Applied
    from penstock.runtime.platform import Platform


def claim(platform: Platform, place: Place) -> socket.socket:
    """Take the platform's port before anything is started.

    Raises:
        PortTakenError: another program has it; the error says so where that is a Penstock.
    """
    from penstock.runtime.server import reserve

    try:
        return reserve(platform)
    except PortTakenError as error:
        if not answers(place.url):
            raise
        raise PortTakenError(
            f"a Penstock runs there already: {place.url}",
            next_step="look at it, stop it, or choose other ports: --port … --engine-port …",
        ) from error


def say_link(platform: Platform, place: Place, options: str) -> None:
    """Tell how a person may act from the page; a link only where a person reads it, no log."""
    later = f"penstock open{options}"
    if not sys.stderr.isatty():
        say(f"  Act there   {later} prints a link")
        return
    say(f"  Act there   {address(place.url, platform.sessions.offer())}")
    say(f"              opens once, within ten minutes; later: {later}")


@contextmanager
def started(platform: Platform, place: Place) -> Iterator[Applied]:
    """Start a platform, note in its data directory that it runs, and stop it at the end.

    A first Ctrl-C while it starts is heeded as soon as it has, so that the engine is stopped in
    order; a second one ends at once.

    Raises:
        PenstockError: what is in the way of its start. KeyboardInterrupt: Ctrl-C came meanwhile.
    """
    with _patience() as asked:
        applied = platform.start()
    try:
        if asked:
            raise KeyboardInterrupt
        record = write_record(place)
        try:
            yield applied
        finally:
            record.unlink(missing_ok=True)
    finally:
        platform.stop()


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set while this holds; a second one ends at once."""
    event = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield event
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _patience() -> Iterator[list[int]]:
    """While this holds, the first SIGINT or SIGTERM is only noted in the list; a second raises."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt
        say("stopping …")

    if interrupts.seen():  # before this, where it was swallowed
        asked.append(signal.SIGINT)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
