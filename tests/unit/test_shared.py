"""Work that is asked for while it runs is done once more, for all who asked."""

from __future__ import annotations

import contextlib
import threading
import time

from penstock.runtime.shared import Shared


def test_callers_share_a_run_that_began_after_they_asked() -> None:
    runs: list[int] = []
    go_on = threading.Event()

    def work() -> dict[str, int]:
        runs.append(len(runs) + 1)
        number = runs[-1]
        assert go_on.wait(10)
        return {"run": number}

    shared, seen = Shared(work), []
    threads = [threading.Thread(target=lambda: seen.append(shared()["run"])) for _ in range(6)]
    threads[0].start()
    while not runs:
        time.sleep(0.001)
    for thread in threads[1:]:
        thread.start()
    while sum(thread.is_alive() for thread in threads) < 6:
        time.sleep(0.001)
    time.sleep(0.05)  # they have asked: each stands at the lock
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(seen) == [1, 2, 2, 2, 2, 2]
    assert shared()["run"] == 3


def test_a_run_that_fails_is_not_shared() -> None:
    runs: list[int] = []

    def work() -> dict[str, int]:
        runs.append(0)
        if len(runs) == 1:
            raise OSError
        return {"run": len(runs)}

    shared = Shared(work)
    with contextlib.suppress(OSError):
        shared()
    assert shared() == {"run": 2}
