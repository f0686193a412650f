"""Healing: a record is dropped exactly where its part is neither on disk nor inside a larger one.

That this heals the engine's own directories is proved in the ring `flow`, by kills.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.engine.healing import Healed, heal

TABLE = "store/3f1/3f1c2a52-0000-4000-8000-000000000001"
OTHER = "store/a00/a00c2a52-0000-4000-8000-000000000002"


def make_log(data: Path, records: list[str], *, name: str = "1", table: str = TABLE) -> Path:
    logs = data / table / "deduplication_logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"deduplication_log_{name}.txt"
    log.write_text("".join(f"{record}\n" for record in records))
    return log


def make_parts(data: Path, *names: str, table: str = TABLE) -> None:
    for name in names:
        (data / table / name).mkdir(parents=True)


def stored(part: str, block: str = "20261121_123_456") -> str:
    """The engine's record «this block is stored in that part»."""
    return f"1\t{part}\t{block}"


def test_a_record_stays_where_its_part_is_on_disk(tmp_path: Path) -> None:
    make_parts(tmp_path, "20261121_1_1_0", "all_7_7_0")
    log = make_log(tmp_path, [stored("20261121_1_1_0"), stored("all_7_7_0")])
    before = (log.read_bytes(), log.stat().st_ino)
    assert heal(tmp_path) == []
    assert (log.read_bytes(), log.stat().st_ino) == before, "a whole log was written again"


COVERED = [
    ("20261121_3_3_0", "20261121_1_9_2"),
    ("20261121_1_1_0", "20261121_1_9_2"),
    ("20261121_9_9_0", "20261121_1_9_2"),
    ("20261121_3_3_0", "20261121_3_3_1"),  # merged by itself, by a TTL
    ("20261121_3_3_0", "20261121_3_3_0_12"),  # changed by a mutation
    ("20261121_3_3_0", "20261121_1_9_2_12"),
    ("all_3_3_0", "all_0_10_3"),
    ("1_2_2_0", "1_2_2_0"),  # a partition whose id is a number
    ("1-7-20261121_2_2_0", "1-7-20261121_1_5_1"),
    ("d41d8cd98f00b204e9800998ecf8427e_2_2_0", "d41d8cd98f00b204e9800998ecf8427e_2_3_1"),
]
MISSING = [
    ("20261121_3_3_0", "20261122_1_9_2"),  # another day
    ("20261121_3_3_0", "all_1_9_2"),
    ("20261121_3_3_0", "20261121_4_9_2"),
    ("20261121_3_3_0", "20261121_1_2_1"),
    ("20261121_3_5_1", "20261121_3_4_1"),  # only a piece of it
    ("20261121_3_5_1", "20261121_4_5_1"),
    ("20261121_3_3_0", "tmp_insert_20261121_3_3_0"),
    ("20261121_3_3_0", "tmp_merge_20261121_1_9_2"),
    ("20261121_3_3_0", "delete_tmp_20261121_3_3_0"),
    ("20261121_3_3_0", "detached"),
    ("20261121_3_3_0", "mutation_12.txt"),
    ("1_2_2_0", "1_1_1_0"),
    ("1_2_2_0", "2_1_9_1"),
]


@pytest.mark.parametrize(("part", "there"), COVERED)
def test_a_record_stays_where_a_larger_part_holds_its_block(
    tmp_path: Path, part: str, there: str
) -> None:
    make_parts(tmp_path, there)
    log = make_log(tmp_path, [stored(part)])
    assert heal(tmp_path) == []
    assert log.read_text() == f"{stored(part)}\n"


@pytest.mark.parametrize(("part", "there"), MISSING)
def test_a_record_goes_where_nothing_holds_its_block(tmp_path: Path, part: str, there: str) -> None:
    make_parts(tmp_path, there)
    log = make_log(tmp_path, [stored(part)])
    assert heal(tmp_path) == [Healed(TABLE, part)]
    assert log.read_bytes() == b""


def test_a_file_with_the_name_of_a_part_is_none(tmp_path: Path) -> None:
    log = make_log(tmp_path, [stored("all_1_1_0")])
    (tmp_path / TABLE / "all_1_1_0").write_text("not a folder")
    assert heal(tmp_path) == [Healed(TABLE, "all_1_1_0")]
    assert log.read_bytes() == b""


def test_a_part_that_was_set_aside_is_not_there(tmp_path: Path) -> None:
    """`detached` holds parts with their own names, which no query reads."""
    make_parts(tmp_path, "detached/all_1_1_0")
    make_log(tmp_path, [stored("all_1_1_0")])
    assert heal(tmp_path) == [Healed(TABLE, "all_1_1_0")]


def test_a_part_of_another_table_does_not_count(tmp_path: Path) -> None:
    make_parts(tmp_path, "all_1_1_0", table=OTHER)
    mine = make_log(tmp_path, [stored("all_1_1_0")])
    theirs = make_log(tmp_path, [stored("all_1_1_0"), stored("all_2_2_0")], table=OTHER)
    assert heal(tmp_path) == [Healed(TABLE, "all_1_1_0"), Healed(OTHER, "all_2_2_0")]
    assert mine.read_bytes() == b""
    assert theirs.read_text() == f"{stored('all_1_1_0')}\n"


def test_everything_else_keeps_its_bytes_and_its_order(tmp_path: Path) -> None:
    make_parts(tmp_path, "all_1_4_1", "all_6_6_0")
    dropped = "2\tall_9_9_0\tblock_9"  # «dropped» is said of parts that are gone
    odd = "1\tsomething else\tblock_x"  # not a name we understand: the engine's own business
    kept = [stored("all_1_1_0", "a"), dropped, stored("all_6_6_0", "\u00e9"), odd]
    log = make_log(tmp_path, [*kept[:2], stored("all_5_5_0"), *kept[2:], stored("all_7_7_0")])
    assert [healed.part for healed in heal(tmp_path)] == ["all_5_5_0", "all_7_7_0"]
    assert log.read_text("utf-8") == "".join(f"{record}\n" for record in kept)
    assert heal(tmp_path) == [], "healed once is healed"


@pytest.mark.parametrize("torn", ["1", "1\tall_2", "1\tall_2_2_0", "1\tall_2_2_0\tblo"])
def test_a_torn_last_record_goes(tmp_path: Path, torn: str) -> None:
    """Even where its part is there: the engine would read it as a record of another block."""
    make_parts(tmp_path, "all_1_1_0", "all_2_2_0")
    log = make_log(tmp_path, [stored("all_1_1_0")])
    log.write_text(log.read_text() + torn)
    assert heal(tmp_path) == [Healed(TABLE, "(torn record)")]
    assert log.read_text() == f"{stored('all_1_1_0')}\n"


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path: Path) -> None:
    make_parts(tmp_path, "all_1_1_0")
    log = make_log(tmp_path, [])
    log.write_bytes(b"1\tall_1_1_0\t\xff\xfe\n1\tall_2_2_0\t\xff\n")
    assert heal(tmp_path) == [Healed(TABLE, "all_2_2_0")]
    assert log.read_bytes() == b"1\tall_1_1_0\t\xff\xfe\n"


def test_all_logs_of_a_table_are_looked_at(tmp_path: Path) -> None:
    make_parts(tmp_path, "all_2_2_0")
    one = make_log(tmp_path, [stored("all_1_1_0"), stored("all_2_2_0")], name="1")
    two = make_log(tmp_path, [stored("all_3_3_0")], name="2")
    assert [healed.part for healed in heal(tmp_path)] == ["all_1_1_0", "all_3_3_0"]
    assert one.read_text() == f"{stored('all_2_2_0')}\n"
    assert two.read_bytes() == b""


def test_a_healing_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    """The engine takes every file in that folder for a log: nothing of ours may stay there."""
    make_parts(tmp_path, "all_1_1_0")
    log = make_log(tmp_path, [stored("all_1_1_0"), stored("all_2_2_0")])
    log.with_suffix(".healing").write_text("1\tall_1_")
    assert heal(tmp_path) == [Healed(TABLE, "all_2_2_0")]
    assert [path.name for path in log.parent.iterdir()] == [log.name]
    assert log.read_text() == f"{stored('all_1_1_0')}\n"


def test_nothing_there_is_nothing_to_heal(tmp_path: Path) -> None:
    assert heal(tmp_path / "missing") == []
    assert heal(tmp_path) == []
    make_parts(tmp_path, "all_1_1_0")
    assert heal(tmp_path) == []


RANGES = st.tuples(st.sampled_from(["all", "20261121", "7"]), st.integers(1, 9), st.integers(0, 4))


def part_name(found: tuple[str, int, int], level: int) -> str:
    partition, low, more = found
    return f"{partition}_{low}_{low + more}_{level}"


@settings(deadline=None)
@given(there=st.sets(RANGES, max_size=6), recorded=st.lists(RANGES, max_size=10, unique=True))
def test_against_the_rule_itself(
    there: set[tuple[str, int, int]], recorded: list[tuple[str, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        make_parts(data, *(part_name(found, 1) for found in there))
        log = make_log(data, [stored(part_name(found, 0)) for found in recorded])
        blocks = [(p, set(range(low, low + more + 1))) for p, low, more in there]
        kept = [
            stored(part_name((partition, low, more), 0))
            for partition, low, more in recorded
            if any(p == partition and held >= {low, low + more} for p, held in blocks)
        ]
        healed = heal(data)
        assert log.read_text() == "".join(f"{record}\n" for record in kept)
        assert len(healed) == len(recorded) - len(kept)
