"""What has changed between two answers: right wherever it is told, and told where it is little."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from penstock.serve.changes import change
from penstock.serve.live import Viewer

ROWS = 400


def answer(columns: dict[str, list[Any]]) -> bytes:
    """The same bytes as the engine's JSONColumns."""
    lines = (
        f"\t{json.dumps(name)}: [{', '.join(json.dumps(v, separators=(',', ':')) for v in values)}]"
        for name, values in columns.items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def window(start: int, rows: int = ROWS) -> dict[str, list[Any]]:
    places = range(start, start + rows)
    return {
        "time": [f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}Z" for n in places],
        "value": [None if n % 7 == 0 else n / 4 for n in places],
        "name": [f'h "{n}" \\' for n in places],
    }


def applied(old: dict[str, list[Any]], said: bytes) -> dict[str, list[Any]]:
    told = json.loads(b"{" + said + b"}")
    return {k: old[k][told["first"] : told["end"]] + new for k, new in told["columns"].items()}


@pytest.mark.parametrize("growing", [0, 1, 2])
@pytest.mark.parametrize("gone", [0, 1, 57])
@pytest.mark.parametrize("come", [0, 1, 90])
def test_a_window_that_moves_on_is_told_by_its_ends(gone: int, come: int, growing: int) -> None:
    old = window(0)
    new = {name: values[gone:] for name, values in window(0, ROWS + come).items()}
    for place in range(ROWS - growing, ROWS):
        new["value"][place - gone] = -1.5
    said = change(answer(old), answer(new))
    assert said is not None
    assert applied(old, said) == new
    assert len(json.loads(b"{" + said + b"}")["columns"]["time"]) == come + growing


@pytest.mark.parametrize(
    "change_it",
    [
        lambda new: new["value"].__setitem__(200, -1),  # a late row corrected one in the middle
        lambda new: [values.insert(200, values[3]) for values in new.values()],
        lambda new: [values.clear() for values in new.values()],
        lambda new: new.update(more=new["value"]),
        lambda new: new.pop("name"),
        lambda new: new.update(time=new["time"][::-1]),
    ],
)
def test_any_other_answer_is_sent_whole(change_it: Any) -> None:
    old, new = window(0), window(0)
    change_it(new)
    assert change(answer(old), answer(new)) is None


@pytest.mark.parametrize("value", ["a, b", 'a", "b', [1, 2], {"a": 1}, None])
def test_values_whose_commas_tell_no_rows_are_sent_whole_or_right(value: object) -> None:
    old, new = window(0), window(3)
    for columns in (old, new):
        columns["name"][50:60] = [value] * 10
    said = change(answer(old), answer(new))
    assert said is None or applied(old, said) == new


def test_what_is_told_is_always_right() -> None:
    chosen = random.Random(7)
    values = [1, 2, None, "a", "a, b", 'x", "y', "", [1], 0.5]
    told = 0
    for _ in range(3_000):
        some = chosen.sample(values, chosen.randint(1, 3))
        rows = chosen.randint(800, 1200)
        first = chosen.choice([0, 0, 1, 2])
        old = {name: chosen.choices(some, k=rows) for name in ("a", "b")[: chosen.randint(1, 2)]}
        new = {k: v[first:] + chosen.choices(some, k=2) for k, v in old.items()}
        said = change(answer(old), answer(new))
        if said is not None:
            told += 1
            assert applied(old, said) == new
    assert told > 300


def test_nothing_is_told_of_a_short_or_a_strange_answer() -> None:
    short = answer({"a": [1, 2]})
    assert change(short, short) is None
    strange = answer({'a": [b': list(range(2000))})
    assert change(strange, strange) is None
    assert change(b"", answer(window(0))) is None


def test_who_missed_a_frame_is_sent_the_whole() -> None:
    slow = Viewer(frozenset({"change"}))
    slow.send("tile", b"whole 1")
    slow.send("tile", b"whole 2", b"change 2")
    assert slow.pending == {"tile": b"whole 2"}
    slow.pending = {}
    slow.send("tile", b"whole 3", b"change 3")
    assert slow.pending == {"tile": b"change 3"}
    slow.send("tile", b"whole 4", b"change 4")
    assert slow.pending == {"tile": b"whole 4"}
    plain = Viewer()
    plain.send("tile", b"whole", b"change")
    assert plain.pending == {"tile": b"whole"}
