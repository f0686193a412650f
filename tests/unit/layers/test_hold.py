"""The hold goes to who has waited longest."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from penstock.layers.hold import Hold


def test_who_takes_it_again_at_once_comes_after_who_waits() -> None:
    hold, order = Hold(), []

    def wait(ready: threading.Event) -> None:
        ready.set()
        with hold:
            order.append("waited")

    for _ in range(100):
        ready = threading.Event()
        thread = threading.Thread(target=wait, args=(ready,))
        with hold:
            thread.start()
            ready.wait()
            time.sleep(0.002)  # it is at the lock by now
        with hold:
            order.append("again")
        thread.join()
    assert order == ["waited", "again"] * 100


def test_it_is_held_by_one_at_a_time_and_let_go_of_after_an_error() -> None:
    hold, inside, most = Hold(), 0, 0

    def take() -> None:
        nonlocal inside, most
        for _ in range(50):
            with suppress(ValueError), hold:
                inside += 1
                most = max(most, inside)
                time.sleep(0.0001)
                inside -= 1
                int("")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
