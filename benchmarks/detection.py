"""How well the endpoints of homes find planted faults, beside a fixed 3-sigma threshold.

`python -m benchmarks.detection [--data FOLDER]` writes the tables of `docs/detection.md`, which
says what an episode and a false alarm are. Cities of 60 homes over 42 days, a reading each five
minutes, with two faults of each kind: simulated, landed in a throw-away engine by the statements
of production, and judged by the endpoints themselves. FOLDER holds the real sets.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import real_sets
from penstock.simulate.homes import Faults, Homes, Schedule
from penstock.simulate.planted import KINDS, Planted, plan, wanted
from penstock.testing import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"
DOCUMENT = Path(__file__).parent.parent / "docs" / "detection.md"
FIXED = Path(__file__).parent / "sql" / "fixed_threshold.sql"
END = datetime(2026, 11, 21, 14, tzinfo=UTC)
HOMES, DAYS, EVERY_S, EACH = 60, 42, 300, 2
TUNED, REPORTED = range(1, 11), range(101, 111)
SUSPECTED = ("thermal", "sensors", "structural", "supply", "outages")
ANOMALIES = ("anomalies", "anomalies_by_quantile", "anomalies_by_peers")
_HOUR_MS = 3_600_000
_GRACE_MS = 2 * _HOUR_MS

Alarm = tuple[str, str, int]
"""A kind or a channel, a home or a region, and the hour's start in epoch milliseconds."""


@dataclass
class Score:
    """How one kind of fault was found.

    Attributes:
        episodes: faults that were planted.
        found: of them, how many have an alarm.
        right: alarms within a fault.
        wrong: alarms anywhere else.
    """

    episodes: int = 0
    found: int = 0
    right: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        """Share of the faults that were found."""
        return self.found / self.episodes if self.episodes else 0.0

    @property
    def precision(self) -> float:
        """Share of the alarms that were right; 0 where there was none."""
        alarms = self.right + self.wrong
        return self.right / alarms if alarms else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


Scores = defaultdict[str, Score]


def city(seed: int, *, homes: int = HOMES, days: int = DAYS) -> Homes:
    """The readings of a city with faults, late rows and doubled ones."""
    end_ms = int(END.timestamp() * 1000)
    schedule = Schedule.history(end_ms, days * 86_400, days * 86_400 // EVERY_S * homes, homes)
    amounts = wanted(f"all:{EACH}")
    return Homes(
        schedule,
        homes=homes,
        seed=seed,
        faults=Faults(0.005, 0.001, 0.0),
        plant=lambda city: Planted(city, plan(city, seed, amounts, (schedule.start_ms, end_ms))),
    )


def land(sandbox: Sandbox, homes: Homes) -> list[dict[str, Any]]:
    """Land all readings; the faults that were planted in them."""
    sandbox.start(END)
    for batch in homes.batches(200_000):
        sandbox.given("readings", batch.body)
    return homes.faults()


def suspected(sandbox: Sandbox) -> set[Alarm]:
    """What the suspected_ endpoints say of every hour: the kind, as they name it."""
    return {
        (row["suspect"], str(row.get("home_id", row.get("region"))), row["hour_ms"])
        for name in SUSPECTED
        for row in sandbox.answer(f"suspected_{name}", hours=DAYS * 24)
    }


def odd(sandbox: Sandbox, endpoint: str) -> set[Alarm]:
    """What one of the anomalies endpoints says of every hour, by its defaults: the channel."""
    params = {"days": DAYS} if endpoint == "anomalies_by_quantile" else {}
    return {
        (row["channel"], str(row["home_id"]), row["hour_ms"])
        for row in sandbox.answer(endpoint, hours=DAYS * 24, **params)
    }


def over_threshold(sandbox: Sandbox) -> set[Alarm]:
    """What a fixed threshold at three standard deviations of the raw value flags: the channel."""
    rows = sandbox.answer(FIXED.stem)
    return {(row["channel"], row["place"], row["hour_ms"]) for row in rows}


@contextmanager
def judged() -> Iterator[Sandbox]:
    """The example project in a throw-away engine, with the fixed threshold as one more endpoint."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        root = Path(folder) / "examples"
        shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("data", "tests"))
        shutil.copy(FIXED, root / "homes" / "serve")
        with Sandbox(root) as sandbox:
            yield sandbox


def score(scores: Scores, faults: Iterable[dict[str, Any]], alarms: set[Alarm], *, by: str) -> None:
    """Count the alarms of one city into `scores`, by kind of fault.

    Args:
        scores: what was counted so far.
        faults: the truth.
        alarms: what was flagged.
        by: what an alarm names, "kind" or "channel". A channel is no kind: an alarm of it is
            right for a kind within any fault on that channel, and wrong outside of all of them.
    """
    spans = defaultdict(list)
    for fault in faults:
        place = fault["region"] if fault["home_id"] is None else str(fault["home_id"])
        spans[fault[by], place].append((_ms(fault["start"]), _ms(fault["end"]), fault["kind"]))
    kinds = {fault[by]: set[str]() for fault in faults}
    for fault in faults:
        kinds[fault[by]].add(fault["kind"])
    hit = set()
    for name, place, hour_ms in alarms:
        inside = {
            (place, start, kind)
            for start, end, kind in spans[name, place]
            if start < hour_ms + _HOUR_MS and hour_ms < end + _GRACE_MS
        }
        hit |= inside
        within = {kind for _, _, kind in inside}
        for kind in within or kinds.get(name, {name}):
            scores[kind].right += bool(within)
            scores[kind].wrong += not within
    for (_, place), episodes in spans.items():
        for start, _, kind in episodes:
            scores[kind].episodes += 1
            scores[kind].found += (place, start, kind) in hit


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def measured(sandbox: Sandbox, seeds: Iterable[int]) -> dict[str, Scores]:
    """Scores by detector: `suspected`, `fixed`, and the anomalies endpoints, each by kind."""
    detectors: dict[str, Scores] = {
        name: defaultdict(Score) for name in ("suspected", "fixed", *ANOMALIES)
    }
    for seed in seeds:
        faults = land(sandbox, city(seed))
        score(detectors["suspected"], faults, suspected(sandbox), by="kind")
        score(detectors["fixed"], faults, over_threshold(sandbox), by="channel")
        for name in ANOMALIES:
            score(detectors[name], faults, odd(sandbox, name), by="channel")
    return detectors


def kinds_table(tuned: dict[str, Scores], reported: dict[str, Scores]) -> str:
    """Precision and recall of each kind, as Markdown."""
    heads = (
        "| fault | planted | found | recall | precision | F1 | fixed 3 sigma: recall | precision "
        "| F1 | seeds 1-10: recall | precision |"
    )
    lines = [heads, "|---" * 11 + "|"]
    for kind in KINDS:
        mine, fixed = reported["suspected"][kind], reported["fixed"][kind]
        before = tuned["suspected"][kind]
        lines.append(
            f"| {kind} | {mine.episodes} | {mine.found} | {mine.recall:.2f} "
            f"| {mine.precision:.2f} | {mine.f1:.2f} "
            f"| {fixed.recall:.2f} | {fixed.precision:.2f} | {fixed.f1:.2f} "
            f"| {before.recall:.2f} | {before.precision:.2f} |"
        )
    return "\n".join(lines)


def anomalies_table(reported: dict[str, Scores]) -> str:
    """Recall of each kind by the endpoints that only say «odd», as Markdown."""
    heads = (*ANOMALIES, "fixed")
    lines = [
        "| fault | " + " | ".join(f"recall, {h} | precision, {h}" for h in heads) + " |",
        "|---" * (1 + 2 * len(heads)) + "|",
    ]
    for kind in KINDS:
        cells = [
            f"{reported[h][kind].recall:.2f} | {reported[h][kind].precision:.2f}" for h in heads
        ]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(name: str, table: str) -> None:
    """Replace what stands between the marks of a table in the document."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = DOCUMENT.read_text("utf-8")
    head, _, rest = text.partition(begin)
    DOCUMENT.write_text(f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}", "utf-8")


def main() -> None:
    """Measure everything and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the real sets")
    data = parser.parse_args().data
    with judged() as sandbox:
        if data is not None:
            table = real_sets.table(sandbox, data)
            print(table)
            write("real", table)
        tuned, reported = measured(sandbox, TUNED), measured(sandbox, REPORTED)
        for name, table in (
            ("kinds", kinds_table(tuned, reported)),
            ("anomalies", anomalies_table(reported)),
        ):
            print(table)
            write(name, table)


if __name__ == "__main__":
    main()
