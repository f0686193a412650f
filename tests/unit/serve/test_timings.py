"""Timings of endpoints: counts since the start, percentiles of the last answers."""

from __future__ import annotations

from penstock.serve.timings import Timings

ONE, OTHER = ("homes", "one"), ("homes", "other")


def test_an_endpoint_that_was_not_asked_has_no_figures() -> None:
    document = Timings().of(ONE).document()
    assert (document["asked"], document["p50_ms"], document["hit_rate"]) == (0, None, None)


def test_counts_and_percentiles() -> None:
    timings = Timings()
    for n in range(100):
        timings.note(ONE, "miss" if n < 25 else "hit", n / 1000)
    timings.note(ONE, "error", 9.0)
    timings.note(OTHER, "stale", 1.0)
    document = timings.of(ONE).document()
    assert (document["asked"], document["miss"], document["hit"], document["error"]) == (
        101, 25, 75, 1
    )  # fmt: skip
    assert (document["p50_ms"], document["p95_ms"]) == (50.0, 95.0), "a failure is no answer"
    assert document["hit_rate"] == round(75 / 101, 4)
    assert timings.of(OTHER).document()["hit_rate"] == 1.0


def test_percentiles_are_of_the_last_answers_and_files_that_are_gone_are_forgotten() -> None:
    timings = Timings()
    for seconds in [5.0] * 600 + [0.001] * 512:
        timings.note(ONE, "miss", seconds)
    assert timings.of(ONE).document()["p95_ms"] == 1.0
    timings.keep([OTHER])
    assert timings.of(ONE).document()["asked"] == 0
