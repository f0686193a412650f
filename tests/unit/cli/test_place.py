"""Which project and which data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli.demo import _folder
from penstock.cli.place import HERE, again, data_folder, find, home, refuse_unused, settings_of
from penstock.errors import InvalidProjectError, UsageError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "city"
    (root / "homes" / "silver").mkdir(parents=True)
    (root / "penstock.toml").write_text('name = "city"\n[platform]\nport = 8300\n')
    return root


def test_a_project_is_found_from_within(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "homes" / "silver")
    assert home(HERE) == project
    with pytest.raises(UsageError, match=r"no penstock.toml in \.\."):
        home(Path(".."))


def test_no_project_is_no_hindrance_until_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home(HERE) is None
    with pytest.raises(UsageError, match=r"there is no penstock\.toml"):
        find(HERE)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("title = \n", "penstock.toml:1: not TOML"),
        ('name = "x"\nplatform = 3', "penstock.toml:2: platform = 3: a table is meant"),
        ('name = "x"\n[platform]\nport = "abc"', "penstock.toml:3: port = 'abc' is no port"),
    ],
)
def test_a_broken_project_file_is_a_sentence(project: Path, text: str, cause: str) -> None:
    (project / "penstock.toml").write_text(text)
    with pytest.raises(InvalidProjectError) as caught:
        settings_of(project)
    assert cause in str(caught.value)
    with pytest.raises(InvalidProjectError):
        find(project)


def test_the_data_is_beside_the_project_or_where_one_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_folder(project, settings_of(project)) == project / ".data"
    assert _folder() == Path("penstock-demo")
    monkeypatch.setenv("PENSTOCK_DATA", "there")
    assert data_folder(project, settings_of(project)) == Path("there")
    assert _folder() == Path("there")


def test_a_directory_without_a_store_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no platform has run in"):
        refuse_unused(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_next_command_gets_the_same_options() -> None:
    assert again() == ""
    assert again(Path("a b"), Path("d")) == " --project 'a b' --data d"
