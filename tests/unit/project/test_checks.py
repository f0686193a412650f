"""checks/*.sql are read as endpoints are: one SELECT, its parameters, names that lead somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.project import read

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.project.conftest import Spoiled

CHECK = "meters/checks/dead.sql"


def test_a_check_may_read_any_stage(meters: Spoiled) -> None:
    sql = "SELECT _error FROM raw_meters WHERE _ingested_at > {since:DateTime}"
    meters.write(CHECK, f"/*\ndescription: None is bad.\nseverity: warning\n*/\n{sql}")
    (check,) = meters.load().checks()
    assert (check.name, check.reads) == ("dead", ("raw_meters",))
    assert [p.type for p in check.params] == ["DateTime"]
    assert (check.header.description, check.header.text("severity")) == ("None is bad.", "warning")


def test_a_slip_in_a_check_is_named_with_its_place(meters: Spoiled) -> None:
    meters.write(CHECK, "SELECT 1\nFROM redings, url('http://x')")
    found = {(p.file, p.line, p.cause.partition(" ")[0]): p.hint for p in meters.problems()}
    assert found[CHECK, 2, "there"] == "did you mean 'readings'?"
    assert found[CHECK, 2, "url()"] == "bring data in through sources/"
    meters.write(CHECK, "DROP TABLE readings")
    assert [p.file for p in meters.problems()] == [CHECK]


def test_a_project_that_is_only_begun_is_sound(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('name = "mine"\n')
    (tmp_path / ".data").mkdir()
    project, problems = read(tmp_path)
    assert (project.domains, problems) == ((), [])
    (tmp_path / "homes" / "brnoze").mkdir(parents=True)
    assert "penstock new source" in read(tmp_path)[1][0].hint
