"""`python -m benchmarks.run [name …]`: measure, write latest.json and the table in the README."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

ALL = (
    "landing",
    "kafka",
    "freshness",
    "endpoint",
    "cached",
    "post",
    "memory",
    "storage",
    "project",
    "backfill",
    "front",
    "page",
    "live",
)
_BY_WRK = {"post", "cached"}
RESULTS = Path(__file__).parent / "results" / "latest.json"
README = Path(__file__).parent.parent / "README.md"
_BEGIN, _END = "<!-- bench -->", "<!-- /bench -->"


def main(names: list[str]) -> int:
    """Measure what is named, keep the rest of the earlier results."""
    if _BY_WRK & set(names or ALL) and shutil.which("wrk") is None:
        others = " ".join(name for name in ALL if name not in _BY_WRK)
        print(
            "wrk is not here, which post and cached need: apt-get install wrk; without it, "
            f"python -m benchmarks.run {others}",
            file=sys.stderr,
        )
        return 1
    entries = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name in names or ALL:
        for figure in importlib.import_module(f"benchmarks.{name}").measure():
            entry = figure.entry()
            entries = [e for e in entries if e["name"] != entry["name"]] + [entry]
            print(json.dumps(entry))
        RESULTS.write_text(json.dumps(entries, indent=2) + "\n")
    text = README.read_text()
    if _BEGIN in text:
        head, _, rest = text.partition(_BEGIN)
        tail = rest.partition(_END)[2]
        README.write_text(f"{head}{_BEGIN}\n{table(entries)}\n{_END}{tail}")
    return 0


def table(entries: list[dict[str, Any]]) -> str:
    """The results as Markdown."""
    lines = [
        "| what | measured | against | ratio | must reach | met |",
        "|---|---|---|---|---|---|",
    ]
    for e in entries:
        against = "" if e["baseline"] is None else f"{_number(e['baseline'])} {e['unit']}"
        ratio = "" if e["ratio"] is None else f"{e['ratio']:.2f}"
        met = "yes" if e["met"] else "**no**"
        lines.append(
            f"| {e['name']} | {_number(e['value'])} {e['unit']} | {against} | {ratio} "
            f"| {e['target']} | {met} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
