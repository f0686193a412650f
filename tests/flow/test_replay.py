"""Dead letters that are replayed are there once each, whatever is killed and whenever."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from penstock.errors import (
    BadInputError,
    LandingBlockedError,
    RefusedChangeError,
    UsageError,
)
from penstock.layers.apply import Terms, apply
from penstock.layers.expiry import Expiry
from penstock.layers.judging import Asked
from penstock.layers.landing import Lander, Target
from penstock.layers.replay import Replayer
from penstock.project import load
from penstock.runtime.changes import Changes
from penstock.runtime.replaying import Replaying
from penstock.store.journal import Journal
from penstock.store.replays import Replays

from .commas import commas, mend
from .faults import Landing, PlatformProcess, free_port, homes, readings, wait_for
from .renames import Strace, named, tables
from .test_controls import Killed

if TYPE_CHECKING:
    from penstock.layers.judging import Verdict
    from penstock.store.replays import Replay

REPLAYER = Path(__file__).with_name("replayer.py")
BAD = 10_000


def with_commas(landing: Landing, rows: int, *, good: int = 100) -> None:
    """Land rows with commas among others, mend bronze's file and apply it."""
    landing.send(good)
    body = commas(landing.sent, landing.sent + rows)
    landing.source.spool.append([(body, rows)])
    landing.known.acknowledged.update(body.splitlines())
    landing.sent += rows
    landing.land()
    root = landing.project.root
    mend(root)
    landing.project = load(root)
    apply(landing.project, landing.client, Journal(landing.store, landing.data))
    landing.lander.target = Target.of(landing.project, "homes", "readings")


def replayer(landing: Landing, kind: type[Replayer] = Replayer) -> Replayer:
    return kind(landing.lander, Replays(landing.store), list)


def asked(made: Replayer) -> Asked:
    return Asked(upto=made.lander.ledger.last_batch())


def fates(verdict: Verdict) -> list[tuple[str, str, int]]:
    return [(f.reason, f.now, f.rows) for f in verdict.fates.values()]


class DiesAfterInsert(Replayer):
    """Dies between the insert and the deletion."""

    def _insert(self, replay: Replay, letters: str) -> None:
        super()._insert(replay, letters)
        raise Killed


class DiesAfterDelete(Replayer):
    """Dies between the deletion and the closing."""

    def _check(self, *_: object) -> None:
        raise Killed


class WithoutToken(DiesAfterInsert):
    """Inserts under another token each time."""

    tries = 0

    def _insert(self, replay: Replay, letters: str) -> None:
        WithoutToken.tries += 1
        super()._insert(replace(replay, token=f"try {WithoutToken.tries}"), letters)


class GoesOnWithoutToken(WithoutToken):
    """Does not die."""

    def _insert(self, replay: Replay, letters: str) -> None:
        with pytest.raises(Killed):
            super()._insert(replay, letters)


@pytest.mark.parametrize("dies", [DiesAfterInsert, DiesAfterDelete])
def test_a_replay_cut_short_is_gone_on_with(tmp_path: Path, dies: type[Replayer]) -> None:
    """Meanwhile its batches are left out of the proof, and afterwards everything is exact."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        with_commas(landing, 300)
        made = replayer(landing, dies)
        with pytest.raises(Killed):
            made.run(asked(made))
        report = landing.reconcile()
        assert report["ok"], landing.tell()
        (source,) = report["sources"]
        assert any("not at its end" in text for text in source["uncompared"])
        assert source["silver"] + source["dead_letters"] == source["received"] == 400
        landing.source, landing.lander = landing.take_over()
        landing.send(40)
        landing.land()
        assert replayer(landing).resume() == 297
        assert landing.check() == []
        assert (landing.reconcile()["ok"], landing.tell()) == (True, [])
        assert landing.lander.state.good == 297 + landing.ledger.batches()[-1].good
        assert landing.ledger.replaying() == frozenset()
        assert replayer(landing).resume() == 0


def test_bronze_judges_as_it_did_until_an_open_replay_is_at_its_end(tmp_path: Path) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        bronze = landing.project.root / "homes/bronze/raw_sensors.sql"
        original = bronze.read_text()
        with_commas(landing, 300)
        made = replayer(landing, DiesBeforeInsert)
        with pytest.raises(Killed):
            made.run(asked(made))
        bronze.write_text(original)
        project, journal = load(landing.project.root), Journal(landing.store, landing.data)
        args = (project, landing.client, journal, landing.ledger, [landing.lander])
        with pytest.raises(RefusedChangeError, match="a replay of dead letters has not come"):
            Changes(*args, audit=lambda: None).apply(Terms())
        assert landing.ledger.batches()[0].good == 96

        def resume() -> None:
            replayer(landing).resume()

        Changes(*args, audit=resume).apply(Terms())
        assert landing.ledger.batches()[0].good == 96 + 297
        assert landing.tell() == []


def test_a_look_goes_on_with_nothing(tmp_path: Path) -> None:
    """Whoever looks at the page must not restart the engine; what ends a replay is shown."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        with_commas(landing, 30)
        made = replayer(landing, DiesBeforeInsert)
        with pytest.raises(Killed):
            made.run(asked(made))
        journal = Journal(landing.store, landing.data)

        def replaying(*landers: Lander) -> Replaying:
            changes = Changes(landing.project, landing.client, journal, landing.ledger,
                              list(landers), audit=lambda: None)  # fmt: skip
            return Replaying(changes, Replays(landing.store), lambda _: None, lambda: False)

        both = replaying(landing.lander)
        with pytest.raises(RefusedChangeError, match="a replay was cut short"):
            both.outlook()
        assert both.replays.unfinished() is not None
        with pytest.raises(BadInputError, match="upto"):
            both.run({"upto": "x"})
        with both.turn(), pytest.raises(RefusedChangeError, match="runs"), both.turn():
            pass
        assert both.run({"look": True})["good"] == 0, "it is gone on with first"
        assert both.outlook()["good"] == 0
        assert landing.tell() == []
        with pytest.raises(ZeroDivisionError), both._shown({}):
            raise ZeroDivisionError
        assert "ZeroDivisionError" in both.progress.error
        assert replaying().outlook()["sources"] == []
        with pytest.raises(UsageError, match="no source called 'x'"):
            replaying().run({"source": "x"})


class DiesBeforeInsert(Replayer):
    """Dies between the writing of its intent and the insert."""

    def _insert(self, *_: object) -> None:
        raise Killed


class NeverInserts(Replayer):
    """Must not have to insert."""

    def _insert(self, *_: object) -> None:
        raise AssertionError("it is stored already")


def test_after_a_power_cut_a_replay_is_judged_by_counting(tmp_path: Path) -> None:
    """The engine may have lost its tokens: nothing is inserted that is there, and no half is."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        with_commas(landing, 300)
        made = replayer(landing, DiesBeforeInsert)
        with pytest.raises(Killed):
            made.run(replace(asked(made), reason="temperature_value: 2"))
        assert replayer(landing).resume(rebooted=True) == 147
        made = replayer(landing, DiesAfterInsert)
        with pytest.raises(Killed):
            made.run(replace(asked(made), reason="temperature_value: 15"))
        assert replayer(landing, NeverInserts).resume(rebooted=True) == 30
        assert (landing.check(), landing.tell()) == ([], [])
        made = replayer(landing, DiesAfterInsert)
        with pytest.raises(Killed):
            made.run(asked(made))
        landing.client.execute("ALTER TABLE homes.readings DELETE WHERE _batch = 1 AND home_id = 3"
                               " SETTINGS mutations_sync = 1")  # fmt: skip
        for rebooted in (True, False):  # a start later it is no surer
            with pytest.raises(LandingBlockedError, match="a part by counting"):
                replayer(landing, NeverInserts).resume(rebooted=rebooted)


def test_what_bronze_lets_go_before_it_is_replayed_is_not_counted(tmp_path: Path) -> None:
    """Bronze's TTL takes dead letters of an open replay: those in silver count, the others not."""
    gone = "ALTER TABLE homes.raw_sensors DELETE WHERE {} SETTINGS mutations_sync = 1"
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        with_commas(landing, 300)
        target = landing.lander.target
        made = replayer(landing, DiesAfterInsert)
        with pytest.raises(Killed):
            made.run(replace(asked(made), reason="temperature_value: 2"))
        landing.client.execute(gone.format("_error LIKE 'temperature_value: 2%'"))
        landing.lander.target = replace(target, expiry=Expiry(bronze_ms=1))
        replayer(landing).resume()
        assert landing.ledger.batches()[0].good == 96 + 147
        landing.lander.target = target
        made = replayer(landing, DiesBeforeInsert)
        with pytest.raises(Killed):
            made.run(asked(made))
        landing.client.execute(gone.format("_error != ''"))
        landing.lander.target = replace(target, expiry=Expiry(bronze_ms=1))
        made = replayer(landing)
        made.resume()
        assert landing.ledger.batches()[0].good == 96 + 147
        assert landing.tell() == []
        assert made.outlook(asked(made)).fates == {}


def test_without_its_token_a_replay_doubles(tmp_path: Path) -> None:
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        with_commas(landing, 300)
        made = replayer(landing, WithoutToken)
        with pytest.raises(Killed):
            made.run(asked(made))
        with pytest.raises(LandingBlockedError, match="594 of 297 records"):
            replayer(landing, GoesOnWithoutToken).resume()
        found = landing.check()
        assert found[0].startswith("bronze doubled 594 rows"), found
        rows = "SELECT count() FROM homes.readings"
        assert int(landing.client.value(rows)) == 96 + 2 * 297
        assert landing.reconcile()["sources"][0]["uncompared"]  # it is known not to be at its end


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_thousand_bad_rows_replayed_through_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The platform is killed with its engine at each kind of write, early in it and after it."""
    project, data = homes(tmp_path / "project"), tmp_path / "data"
    with Landing(project, data) as landing:
        with_commas(landing, BAD)
        known = landing.known
        assert landing.check() == []
    stories = []
    for number in (1, 1, 2, 3):
        for when in ("within", "after"):
            stories.append(_replay(project, data, when, number))
            assert stories[-1][0] == -9, stories
    whole, again = (_replay(project, data, "never", 0) for _ in range(2))
    with capsys.disabled():
        print("", *(f"{code:3} {' '.join(said)}" for code, said in stories), whole, sep="\n")
    assert (whole[0], again) == (0, (0, ["landed 0, 104 stay"]))
    killed = {said[-1] for _, said in stories if said}
    assert killed >= {"open", "insert", "alter", "close"}, "a kind of write was never met"
    with Landing(project, data) as landing:
        landing.known = known
        assert landing.check() == []
        assert landing.tell() == []
        assert landing.ledger.totals()["homes", "readings"][:3] == (10_100, 9996, 104)
        count = "SELECT count() FROM homes.readings"
        assert int(landing.client.value(count)) == 9996


def _replay(project: Path, data: Path, when: str, number: int) -> tuple[int, list[str]]:
    """Run one replayer to its death or its end; gives its exit code and the writes it began."""
    words = [str(project), str(data), str(free_port()), "1000", when, str(number)]
    done = subprocess.run(
        [sys.executable, str(REPLAYER), *words],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -9), done.stderr
    writes = [line for line in done.stdout.splitlines() if not line.startswith("20")]  # a log's
    return done.returncode, writes


@pytest.mark.slow
@pytest.mark.usefixtures("traceable")
def test_the_engine_is_killed_at_renames_of_a_replay(tmp_path: Path) -> None:
    """Of bronze's part, a silver's, golds': the replay goes on under its token, healed."""
    with Landing(homes(tmp_path / "project"), tmp_path / "data") as landing:
        bronze = landing.project.root / "homes/bronze/raw_sensors.sql"
        original, met = bronze.read_text(), []
        for number in (1, 3, 7):
            bronze.write_text(original)
            apply(load(landing.project.root), landing.client, Journal(landing.store, landing.data))
            with_commas(landing, 60, good=0)
            made = replayer(landing, KilledInside)
            assert isinstance(made, KilledInside)
            made.log, made.at, starts = tmp_path / f"{number}", number, landing.engine.starts
            with capture_logs():
                verdict = made.run(asked(made))
            assert made.traced is not None
            seen = made.traced.close()
            assert landing.engine.starts > starts, f"no kill came: {seen}"
            met.append(named(seen[-1][1], tables(landing)).partition("/")[0])
            assert verdict.good >= 59, fates(verdict)
            assert landing.check() == [], f"killed at rename {number} ({met[-1]})"
            assert landing.tell() == []
    assert met[:2] == ["raw_sensors", "readings"], met
    assert not {"raw_sensors", "readings"} & {met[-1]}, met


class KilledInside(Replayer):
    """Its engine is killed at the n-th rename of its first insert."""

    log, at = Path(), 0
    traced: Strace | None = None

    def _insert(self, replay: Replay, letters: str) -> None:
        if self.traced is None:
            pid = int((self.log.parent / "data" / "engine.lock").read_text())
            self.traced = Strace(pid, self.log, kill_at=self.at)
        super()._insert(replay, letters)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_replayed_beside_landing_and_through_a_kill(tmp_path: Path) -> None:
    """Rows go on landing meanwhile; `penstock up` itself goes on with what a kill left open."""
    project = homes(tmp_path / "project")
    with PlatformProcess(project, tmp_path / "data", PENSTOCK_BATCH_AGE="50ms") as platform:
        assert platform.post(commas(0, BAD)) == 202
        platform.drain()
        mend(project)
        assert platform.run("apply", "--yes").returncode == 0
        sender = _Sender(platform)
        sender.start()
        part = platform.run("dead-letters", "replay", "--reason", "temperature_value: 2", "--yes")
        assert part.returncode == 0, part.stderr
        assert "4,900 landed" in part.stderr
        assert platform.get("/v1/reconcile")["ok"]
        sender.end()
        assert sender.sent > 1
        words = platform.command("dead-letters", "replay", "--yes", "--data", str(platform.data))
        with subprocess.Popen(
            [*words, "--project", str(project)], env=platform.environment, stderr=subprocess.PIPE
        ) as command:
            wait_for("an open replay", lambda: _open(platform))
            platform.kill()
            command.communicate(timeout=60)
        assert _open(platform), "the kill came too late"
        platform.start()
        platform.drain()
        assert not _open(platform)
        assert platform.get("/v1/reconcile")["ok"]
        again = json.loads(platform.run("dead-letters", "replay", "--yes", "--json").stdout)
        stay = 100 + 2 * sender.sent
        assert (again["landed"], again["stay"]) == (0, stay)
        balance = platform.get("/v1/status")["balance"]
        assert (balance["difference"], balance["dead_letters"]) == (0, stay)
        assert balance["silver"] == 9900 + 48 * sender.sent


def _open(platform: PlatformProcess) -> int:
    """Replays that are open in the ledger as it lies on the disk."""
    store = sqlite3.connect(platform.data / "penstock.db", timeout=10)
    with contextlib.closing(store):
        return int(store.execute("SELECT count(*) FROM replay WHERE open").fetchone()[0])


class _Sender(threading.Thread):
    """Posts fifty rows again and again, two of them dead letters that stay so."""

    def __init__(self, platform: PlatformProcess) -> None:
        super().__init__(daemon=True)
        self._platform, self._ended, self.sent = platform, threading.Event(), 0

    def run(self) -> None:
        while not self._ended.wait(0.02):
            first = BAD + 50 * self.sent
            assert self._platform.post(readings(first, first + 50)) == 202
            self.sent += 1

    def end(self) -> None:
        self._ended.set()
        self.join(30)
