"""Homes in the demo: a city that sends, its history in the background, real houses beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from penstock.runtime.found import found
from penstock.runtime.senders import END_S

if TYPE_CHECKING:
    from penstock.runtime.platform import Platform
    from penstock.runtime.senders import Senders

HISTORY_ROWS = 10_000_000
HISTORY_DAYS = 30
# Rows a second of each history: well under what landing does, so that live rows stay fresh.
HISTORY_RATE = 30_000
_DAY = timedelta(days=1)
_DAY_ROWS = HISTORY_ROWS // HISTORY_DAYS
_PAST = ("recent", "history")
_NAMES = ("live", "late", *_PAST)
_LATE_AFTER = 45  # seconds of live readings, then what a home's connection kept back comes
_PLAN = "demo_past"  # note: until when, of how many homes, and how far earlier runs came
_FILES = ("household_power", "appliances_energy")
SEED = "3"
"""One city for all senders; their readings differ by when they start."""

_log = structlog.get_logger(__name__)


@dataclass
class HomesDemo:
    """Senders of homes; each is a process of its own that counts what it sent.

    Args:
        platform: started.
        url: where the platform answers.
        senders: what starts them.
        homes: how many send each second.
        history: whether the last 30 days are sent, too.
    """

    platform: Platform
    url: str
    senders: Senders
    homes: int = 1000
    history: bool = True
    domain: str = field(default="homes", init=False)
    _loaded: list[int] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start the senders; what an earlier run has sent already is not sent again."""
        plan = self._plan()
        self.senders.forget(*_NAMES)
        # What creeps away began before the first run and goes on; the history has it, too.
        self._faults = ["--faults", f"story:{plan['until']}"]
        live = self._spawn("live", ["--homes", str(self.homes), *self._faults])
        self._replayer = threading.Thread(target=self._replay, args=(live,), daemon=True)
        self._replayer.start()
        if self.history:
            self._send_history(plan)
        self._loader = threading.Thread(target=self._load_files, daemon=True)
        self._loader.start()

    def _plan(self) -> dict[str, Any]:
        """The history that is to be sent and how far earlier runs came with it, by the ledger.

        A history is a function of its seed, its end and its homes, so a later run goes on at the
        very reading. Bodies whose answers a kill has cut off are left out, as they may be there.
        """
        note = self.platform.ledger.get(_PLAN)
        plan: dict[str, Any] = (
            json.loads(note)
            if note
            else {"until": datetime.now(UTC).isoformat(), "homes": self.homes, "sent": {}}
        )
        for name in _PAST:
            plan["sent"][name] = max(plan["sent"].get(name, 0), self._reached(name))
        if note or self.history:
            self.platform.ledger.put(_PLAN, json.dumps(plan))
        return plan

    def _send_history(self, plan: dict[str, Any]) -> None:
        """The last day first, so that charts and «yesterday» fill within seconds."""
        self._past = plan
        until = datetime.fromisoformat(plan["until"])
        pieces = (
            ("recent", until, 1, _DAY_ROWS),
            ("history", until - _DAY, HISTORY_DAYS - 1, HISTORY_ROWS - _DAY_ROWS),
        )
        for name, end, days, rows in pieces:
            sent = plan["sent"][name]
            if rows - sent < plan["homes"]:  # each home gets the same number of them
                continue
            words = ["--history", f"{days}d", "--start", end.isoformat(), "--rows", str(rows)]
            words += ["--rate", str(HISTORY_RATE), "--homes", str(plan["homes"]), *self._faults]
            self._spawn(name, [*words, "--skip", str(sent)])
        self.platform.history = self._progress

    def stop(self) -> int:
        """End the senders; gives the rows that were acknowledged to them in this run."""
        self._stopping.set()
        self.senders.end()
        for helper in ("_loader", "_replayer"):
            if hasattr(self, helper):
                getattr(self, helper).join(END_S)
        sent = sum(self.senders.truth(name).get("acknowledged", 0) for name in _NAMES)
        return int(sent) + sum(self._loaded)

    def account(self) -> dict[str, Any]:
        """Which of the planted faults were found, and by what."""
        return {"faults": found(self.platform, self.senders.truth("live").get("faults", ()))}

    def _replay(self, live: subprocess.Popen[bytes]) -> None:
        """Send, late, what the story kept back of a home; where the run ends before, at its end."""
        truth: dict[str, Any] = {}
        rows = 0
        while rows < self.homes * _LATE_AFTER:  # by what was sent: a busy machine starts late
            if stopping := self._stopping.wait(1):
                live.wait()  # `finish` sees to it: the account of what it sent is whole then
            if truth := self.senders.truth("live"):
                rows = self._reached("live") + int(truth["skipped"])
            if stopping:
                break
        if not rows:
            return
        words = ["--homes", str(self.homes), *self._faults, "--replay"]
        replay = self._spawn(
            "late", [*words, "--start", truth["start"], "--rows", str(rows)], ends=True
        )
        try:
            replay.wait(END_S)
        except subprocess.TimeoutExpired:
            replay.kill()

    def _spawn(self, name: str, words: list[str], *, ends: bool = False) -> subprocess.Popen[bytes]:
        to = ["--url", f"{self.url}/v1/ingest/homes/readings", "--seed", SEED]
        return self.senders.spawn(name, ["homes", *words, *to], ends=ends)

    def _load_files(self) -> None:
        """The real houses, moved to end now."""
        for name in _FILES:
            note = f"demo_file_{name}"
            if self._stopping.is_set():
                return
            if self.platform.ledger.get(note):
                continue
            self.platform.ledger.put(note, "sent")  # before: half of one twice would be worse
            words = [sys.executable, "-m", "penstock.cli", "ingest", f"homes/{name}", "--json"]
            words += ["--project", str(self.platform.project.root), "--shift-to", "now"]
            words += ["--url", self.url]
            done = subprocess.run(words, capture_output=True, check=False)
            if done.returncode:
                _log.error("demo_file_failed", file=name, why=done.stderr.decode()[-500:])
            else:
                self._loaded.append(int(json.loads(done.stdout)["acknowledged"]))

    def _progress(self) -> dict[str, int] | None:
        done = sum(max(self._past["sent"][name], self._reached(name)) for name in _PAST)
        open_end = HISTORY_ROWS - done > self._past["homes"]
        return {"done": done, "target": HISTORY_ROWS} if open_end else None

    def _reached(self, name: str) -> int:
        """The reading after the last one that a sender of history has handed over."""
        truth = self.senders.truth(name)
        if not truth:
            return 0
        of_sent = truth["of_sent"]
        made = int(truth["sent"]) - int(of_sent["duplicates"]) + int(of_sent.get("silent", 0))
        return int(truth["first"]) + made
