"""A sound little project to spoil: tests change one thing and look at what is found."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.errors import Problem
from penstock.project import Project, load, read

METERS = Path(__file__).parents[2] / "fixtures" / "projects" / "meters"


@dataclass(frozen=True)
class Spoiled:
    """A copy of the project, in a folder of its own."""

    root: Path

    def write(self, file: str, text: str) -> Spoiled:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return self

    def edit(self, file: str, old: str, new: str) -> Spoiled:
        text = (self.root / file).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        return self.write(file, text.replace(old, new))

    def line(self, file: str, text: str) -> int:
        lines = (self.root / file).read_text(encoding="utf-8").splitlines()
        return next(n for n, line in enumerate(lines, 1) if text in line)

    def problems(self) -> list[Problem]:
        return read(self.root)[1]

    def only(self) -> Problem:
        problems = self.problems()
        assert len(problems) == 1, [str(p) for p in problems]
        return problems[0]

    def load(self) -> Project:
        return load(self.root)


@pytest.fixture
def meters(tmp_path: Path) -> Spoiled:
    root = tmp_path / "meters_project"
    shutil.copytree(METERS, root)
    return Spoiled(root)
