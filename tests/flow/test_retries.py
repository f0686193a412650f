"""Between two tries the engine is healed where a write may have begun, and left alone where not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.errors import DataDirError, EngineError, LandingBlockedError
from penstock.layers import landing as landing_module
from penstock.layers.landing import Lander
from penstock.store.ledger import Intent

from .faults import Landing, homes


class Stumbles(Lander):
    """Its inserts end in what `errors` holds, one after the other; then they are real."""

    errors: list[Exception]
    starts: list[int]  # of the engine, at each try

    def _insert(self, intent: Intent, body: bytes) -> None:
        self.starts.append(self.hooks.engine_starts())
        if self.errors:
            raise self.errors.pop(0)
        super()._insert(intent, body)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landing]:
    folder = tmp_path_factory.mktemp("retries")
    with Landing(homes(folder / "project"), folder / "data", kind=Stumbles) as landing:
        yield landing


@pytest.fixture
def landing(shared: Landing, monkeypatch: pytest.MonkeyPatch) -> Iterator[Landing]:
    monkeypatch.setattr(landing_module, "_BREATH", 0.0, raising=False)
    shared.source, shared.lander = shared.take_over()
    shared.lander.errors, shared.lander.starts = [], []  # type: ignore[attr-defined]
    yield shared
    assert shared.check() == []


def tries(landing: Landing, *errors: Exception) -> list[int]:
    """Engine restarts before each try that it takes to land a batch."""
    landing.lander.errors = list(errors)  # type: ignore[attr-defined]
    before = landing.engine.starts
    landing.send(20)
    landing.land()
    starts: list[int] = landing.lander.starts  # type: ignore[attr-defined]
    return [n - before for n in starts]


def test_a_write_that_may_have_begun_is_healed_before_the_next_try(landing: Landing) -> None:
    assert tries(landing, EngineError("the view threw", code=395)) == [0, 1]


def test_a_restart_that_came_before_the_write_does_not_heal_it(landing: Landing) -> None:
    """Another source had the engine restarted while this one's insert was on its way."""
    lander, real = landing.lander, landing.lander._insert

    def insert(*_: object) -> None:
        lander._insert = real  # type: ignore[method-assign]
        landing.engine.restart("of another source")
        raise EngineError("the view threw", code=395)

    lander._insert = insert  # type: ignore[method-assign]
    assert tries(landing) == [2]


def test_a_refusal_that_wrote_nothing_restarts_nothing(landing: Landing) -> None:
    """As the front says it; the memory limit is forgiven once."""
    assert tries(landing, EngineError("… 3 could be read; nothing was written", code=117)) == [0, 0]
    landing.lander.starts.clear()  # type: ignore[attr-defined]
    tight = [EngineError("memory limit exceeded", code=241) for _ in range(3)]
    assert tries(landing, tight[0]) == [0, 0]
    landing.lander.starts.clear()  # type: ignore[attr-defined]
    assert tries(landing, *tight) == [0, 0, 1, 2]


def test_the_front_says_so_where_it_wrote_nothing(landing: Landing) -> None:
    """The words that landing goes by are those of the real front."""
    statement = "INSERT INTO raw_sensors (_raw) SELECT line FROM input('line String')"
    statement += " FORMAT LineAsString"
    with pytest.raises(EngineError) as refused:
        landing.client.insert(statement, b"{}\n", rows=2, database="homes")
    assert any(words in refused.value.what for words in landing_module._UNWRITTEN)


def test_a_failure_that_cannot_be_noted_is_healed_all_the_same(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, so the ledger takes no note; the batch goes again when it has room."""
    lander = landing.lander
    lander.errors = [EngineError("no space", code=243)]  # type: ignore[attr-defined]
    before = landing.engine.starts
    landing.send(20)
    with monkeypatch.context() as full:

        def refuse(*_: object) -> None:
            raise DataDirError("the disk is full")

        full.setattr(landing.ledger, "failed", refuse)
        with pytest.raises(DataDirError):
            lander.step()
    assert lander.recover() == 1
    assert [n - before for n in lander.starts] == [0, 1]  # type: ignore[attr-defined]


def test_after_what_nobody_foresaw_the_engine_is_healed(landing: Landing) -> None:
    lander = landing.lander
    lander.errors = [RuntimeError("a bug")]  # type: ignore[attr-defined]
    before = landing.engine.starts
    landing.send(20)
    with pytest.raises(RuntimeError):
        lander.step()
    assert lander.recover() == 1
    assert [n - before for n in lander.starts] == [0, 1]  # type: ignore[attr-defined]


def test_a_blocked_source_tries_once_a_pause(landing: Landing) -> None:
    lander = landing.lander
    error = EngineError("… nothing was written", code=117)
    lander.errors = [error] * 7  # type: ignore[attr-defined]
    landing.send(20)
    with pytest.raises(LandingBlockedError, match="failed 5 times"):
        lander.step()
    for tried in (6, 7):
        with pytest.raises(LandingBlockedError, match=f"failed {tried} times"):
            lander.recover()
    assert lander.recover() == 1
