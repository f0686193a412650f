"""Settings: environment beats penstock.toml beats the default, and a wrong value is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import UsageError
from penstock.settings import SETTINGS, Setting, Settings, duration, size

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {"str": str, "int": int, "port": int, "size": int, "duration": float}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the machine's own settings."""
    for name in list(os.environ):
        if name.startswith(("PENSTOCK_", "CLICKHOUSE_")):
            monkeypatch.delenv(name)


def test_every_setting_has_a_default_of_its_kind() -> None:
    loaded = Settings.load()
    assert set(loaded.values) == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        assert type(loaded.values[setting.name]) is KINDS[setting.kind], setting.name
        assert loaded.origins[setting.name] == "default"
        assert setting.help.endswith(".")


def test_no_two_settings_share_a_name_or_a_variable() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)


# Name → text in penstock.toml, text in the environment, and both as values.
GIVEN = {
    "str": ("from-file", "from-environment", "from-file", "from-environment"),
    "int": (4001, "4002", 4001, 4002),
    "port": (4001, "4002", 4001, 4002),
    "size": ("3mb", "5kb", 3 * 1024**2, 5 * 1024),
    "duration": ("90s", "250ms", 90.0, 0.25),
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_environment_beats_file_beats_default(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_file, in_environment, of_file, of_environment = GIVEN[setting.kind]
    toml = {setting.name: in_file}
    loaded = Settings.load(toml)
    assert (loaded.values[setting.name], loaded.origins[setting.name]) == (of_file, "penstock.toml")
    monkeypatch.setenv(setting.variable, in_environment)
    for file in (toml, {}, None):
        loaded = Settings.load(file)
        assert loaded.values[setting.name] == of_environment
        assert loaded.origins[setting.name] == "environment"
    changed = {name for name, origin in loaded.origins.items() if origin != "default"}
    assert changed == {setting.name}


def test_variables_have_the_names_people_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "9001")
    monkeypatch.setenv("CLICKHOUSE_URL", "http://127.0.0.1:9999")
    monkeypatch.setenv("PENSTOCK_CLICKHOUSE_URL", "http://nobody.invalid")
    loaded = Settings.load()
    assert loaded.number("port") == 9001
    assert loaded.text("clickhouse_url") == "http://127.0.0.1:9999"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, ""),
        ({"PORT": "8123", "DB": "x"}, ""),
        ({"HOST": "ch"}, "http://ch"),
        ({"HOST": "ch", "PORT": "8124", "USER": "me"}, "http://me@ch:8124"),
        ({"HOST": "ch", "USER": "me", "PASSWORD": "a@b:c/d"}, "http://me:a%40b%3Ac%2Fd@ch"),
        ({"HOST": "ch", "PASSWORD": "p"}, "http://default:p@ch"),
        ({"HOST": "::1", "SECURE": "true", "DB": "x"}, "https://[::1]/x"),
        ({"HOST": "ch", "DATABASE": "y", "DB": "x", "SECURE": "0"}, "http://ch/y"),
        ({"HOST": "ch", "URL": "http://other:1"}, "http://other:1"),
    ],
)
def test_a_clickhouse_server_may_be_named_in_parts(
    given: dict[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"CLICKHOUSE_{name}", value)
    loaded = Settings.load()
    assert loaded.text("clickhouse_url") == url
    assert loaded.origins["clickhouse_url"] == ("environment" if url else "default")


def test_the_command_line_beats_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_PORT", "9001")
    monkeypatch.setenv("PENSTOCK_HOST", "localhost")
    loaded = Settings.load({"port": 9002})
    changed = loaded.replace(port=9003, host=None)
    assert (changed.number("port"), changed.origins["port"]) == (9003, "command line")
    assert (changed.text("host"), changed.origins["host"]) == ("localhost", "environment")
    assert loaded.number("port") == 9001, "the former ones were changed"


WRONG: dict[str, list[object]] = {
    "int": ["eight", "", "8000.5", "0x10", True, [8000]],
    "port": ["eight", "", "8000.5", "0x10", True, [8000], 0, -1, 65536],
    "size": ["many", "", "1.5gb", "-1mb", "16 megabytes", {"mb": 16}],
    "duration": ["soon", "", "10", "-1s", "1h30m", "1 week", 10],
}


@pytest.mark.parametrize(
    ("setting", "value"),
    [(s, value) for s in SETTINGS if s.kind != "str" for value in WRONG[s.kind]],
    ids=lambda given: given.name if isinstance(given, Setting) else repr(given),
)
def test_a_wrong_value_is_named_with_its_place(
    setting: Setting, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError) as in_file:
        Settings.load({setting.name: value})
    assert_named(in_file.value, setting, str(value), "penstock.toml")
    monkeypatch.setenv(setting.variable, str(value))
    with pytest.raises(UsageError) as in_environment:
        Settings.load()
    assert_named(in_environment.value, setting, str(value), "environment")


def assert_named(error: UsageError, setting: Setting, value: str, place: str) -> None:
    assert error.what == f"{setting.name} = {value!r} is no {setting.kind}"
    assert setting.variable in error.where
    assert place in error.where
    assert f"{setting.variable}={setting.default}" in error.next_step
    assert error.exit_code == 2


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}, 5, True])
def test_a_text_that_is_none_is_named(value: object) -> None:
    with pytest.raises(UsageError, match="data"):
        Settings.load({"data": value})


@pytest.mark.parametrize("name", ["port", "engine_port"])
@pytest.mark.parametrize("value", ["65536", "-1", "99999999"])
def test_a_port_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        Settings.load({name: value})


# Lengths of time and amounts of bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("60s", 60), ("10m", 600), ("2h", 7200), ("30d", 2_592_000), (" 1.5s ", 1.5),
     ("0s", 0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("512", 512), ("512b", 512), ("512kb", 524_288), ("16 MB", 16_777_216),
     ("2gb", 2_147_483_648), (" 1Kb ", 1024)],
)  # fmt: skip
def test_sizes(text: str, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize("read", [duration, size])
@settings(deadline=None)
@given(text=st.text(max_size=8))
def test_any_text_is_read_or_refused_with_an_example(
    read: Callable[[str], float], text: str
) -> None:
    try:
        assert read(text) >= 0
    except UsageError as error:
        said = f"{error.what} {error.next_step}"
    else:
        return
    assert repr(text) in said
    assert "write a number and a unit" in said
