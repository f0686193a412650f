"""Compare the functions of the installed engine with the list that analysts are held to.

Usage: python tools/functions.py [--write]; exit code 1 where they differ. `--write` adds new
functions closed, drops those that are gone and corrects traits; opening one is a person's work.
"""

from __future__ import annotations

import sys
from pathlib import Path

import chdb

LIST = Path("src/penstock/engine/functions.txt")
QUERY = """
SELECT name, concat(if(is_aggregate, 'a', ''), if(case_insensitive, 'i', ''),
                    if(ifNull(higher_order, 0) = 1, 'l', '')) AS traits
FROM system.functions WHERE origin = 'System' ORDER BY name
"""


def of_engine() -> dict[str, str]:
    """Name to traits, as the engine has them."""
    connection = chdb.connect(":memory:")
    lines = connection.query(QUERY, "TSVRaw").bytes().decode().splitlines()
    connection.close()
    return dict(line.split("\t") for line in lines)


def main(arguments: list[str]) -> int:
    """Say what differs; returns the exit code."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    listed = dict(line.partition(" ")[::2] for line in lines if not line.startswith("#"))
    new: dict[str, str] = {}
    for name, traits in of_engine().items():
        closed = f"!{name}"
        if closed in listed:
            new[closed] = listed[closed]
        elif name in listed:
            new[name] = traits
        else:
            new[closed] = "not looked at yet"
    for entry in sorted(listed.keys() | new.keys(), key=lambda entry: entry.lstrip("!")):
        if listed.get(entry) != new.get(entry):
            print(f"{entry}: {listed.get(entry)!r} in the list, {new.get(entry)!r} by the engine")
    if "--write" in arguments:
        body = [f"{entry} {rest}".rstrip() for entry, rest in new.items()]
        LIST.write_text("\n".join([*head, *body, ""]), encoding="utf-8")
    return int(listed != new)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
