"""The audit judges open batches once, passes over what is not of the project, and moves on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.errors import LandingBlockedError
from penstock.layers.landing import Lander, Limits
from penstock.runtime.audit import audit, boot_id
from penstock.store.database import Store
from penstock.store.ledger import Span
from penstock.store.schema import BATCH

from .faults import Landing, homes
from .test_controls import DiesAfterInsert, Killed
from .test_reconcile import land_all, platform_of

HOURS = 3_600_000


def die_after_insert(landing: Landing) -> None:
    landing.source, landing.lander = landing.take_over(kind=DiesAfterInsert, limits=Limits(age=0.0))
    landing.send(60)
    with pytest.raises(Killed):
        landing.land()
    assert len(landing.ledger.open_intents()) == 1


def run_audit(landing: Landing) -> int:
    return audit(landing.project, [landing.lander], landing.ledger)


def test_after_a_reboot_a_stored_batch_is_closed_before_the_boot_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed in between judges again; nobody inserts it under a token that is lost."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        die_after_insert(landing)
        landing.ledger.put("boot_id", "another")
        landing.source, landing.lander = landing.take_over()
        with monkeypatch.context() as patch:
            patch.setattr(Lander, "settle", _killed, raising=False)
            with pytest.raises(Killed):
                run_audit(landing)
        assert landing.ledger.get("boot_id") == "another"
        run_audit(landing)
        assert landing.ledger.get("boot_id") == boot_id()
        assert [batch.rows for batch in landing.ledger.batches()] == [60]
        # The second start on that boot, of an engine whose memory of tokens went with the power.
        landing.engine.stop()
        for logs in (tmp_path / "data/engine").glob("store/*/*/deduplication_logs"):
            shutil.rmtree(logs)
        landing.engine.start()
        landing.source, landing.lander = landing.take_over()
        run_audit(landing)
        assert landing.lander.recover() == 0
        assert landing.check() == []


def _killed(*_: object) -> None:
    raise Killed


def test_batches_of_a_source_that_left_the_project_are_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        landing.send(60)
        landing.land()
        former = landing.ledger.stream("homes", "meters", "spool of old")
        former = replace(former, epoch=landing.ledger.lease(former.id))
        span = (Span(1, 0, 10),)
        intent = landing.ledger.open(
            former, spans=span, rows=10, size=1, fingerprint="f", ingested_ms=1
        )
        landing.ledger.close(intent, good=10, dead=0)
        landing.ledger.put("clean_stop", "no")
        assert run_audit(landing) == 1
        assert landing.ledger.unaudited() == []
        assert "homes/meters" in capsys.readouterr().out


def test_the_mark_moves_while_the_platform_runs(tmp_path: Path) -> None:
    """An hour behind; what does not pass stays unaudited, and its records in the spool."""
    with platform_of(homes(tmp_path / "project"), tmp_path / "data") as platform:
        for first in (0, 60, 120):
            land_all(platform, 60, first=first)
        platform.tidy()
        assert len(platform.ledger.unaudited()) == 3, "they are too young"
        age(platform.store, 2)
        platform.tidy()
        assert [batch.batch for batch in platform.ledger.unaudited()] == [3]
        gone = "ALTER TABLE readings DELETE WHERE _batch = 3 SETTINGS mutations_sync = 2"
        platform.client.execute(gone, database="homes")
        age(platform.store, 3)
        spool = platform.landers[0].source.spool  # type: ignore[attr-defined]
        spool.forget = lambda **_: pytest.fail("records were let go before they were audited")
        with pytest.raises(LandingBlockedError, match="batch 3 was stored with 60 rows"):
            platform.tidy()
        assert [batch.batch for batch in platform.ledger.unaudited()] == [3]


def age(store: Store, up_to: int) -> None:
    """Make batches look as if they had been closed two hours ago."""
    with store.writing() as connection:
        old = sa.update(BATCH).where(BATCH.c.batch <= up_to)
        connection.execute(old.values(closed_ms=BATCH.c.closed_ms - 2 * HOURS))
