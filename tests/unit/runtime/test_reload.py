"""Which domains a reload has to try by odd records again: those whose relations were changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from penstock.errors import EngineError, InvalidProjectError, Problem, RefusedChangeError
from penstock.project.objects import Project
from penstock.runtime.reload import Reloader, found_in, stamp

METERS = Path(__file__).parents[2] / "fixtures" / "projects" / "meters"


def adopt(_project: Project) -> None:
    raise AssertionError("nothing is to be served here")


def test_only_domains_with_changed_relations_are_tried_again(tmp_path: Path) -> None:
    root = Path(shutil.copytree(METERS, tmp_path / "project"))
    shutil.copytree(root / "meters", root / "others")
    reloader = Reloader(root, "", adopt, print)  # type: ignore[arg-type]

    def save(file: str) -> set[str]:
        path = root / file
        path.write_text(path.read_text("utf-8") + "\n")
        reloader._seen = stamp(root)
        return reloader._proved() & {"meters", "others"}

    assert save("meters/serve/hourly.sql") == {"meters", "others"}
    assert save("meters/sources/readings.toml") == {"meters", "others"}
    assert save("others/gold/hourly.sql") == {"meters"}
    assert save("meters/bronze/raw_meters.sql") == set()
    (root / "others/gold/hourly.sql").unlink()
    reloader._seen = stamp(root)
    assert "others" not in reloader._proved()


def test_an_error_becomes_a_mistake_at_each_place_it_names() -> None:
    mistakes = [Problem("a/b.sql", 3, "off"), Problem("penstock.toml", 0, "off")]
    assert found_in(InvalidProjectError(mistakes)) == mistakes
    refused = RefusedChangeError("differ: x (homes/gold/a.sql:7), y (homes/gold/b.sql:9)")
    places = [(p.file, p.line) for p in found_in(refused)]
    assert places == [("homes/gold/a.sql", 7), ("homes/gold/b.sql", 9)]
    (placeless,) = found_in(EngineError("it broke", next_step="look"))
    assert (placeless.file, placeless.line, placeless.hint) == ("penstock.toml", 0, "look")
