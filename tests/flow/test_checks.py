"""Checks of the data: run now and then, remembered, and on demand with an exit code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from .faults import PlatformProcess, homes, readings, wait_for

COLD = """/*
description: No home is colder than it may be.
defaults: {least: 5}
*/
SELECT home_id, temperature FROM readings WHERE temperature < {least:Int32}
"""


def test_what_is_stored_is_checked(tmp_path: Path) -> None:
    project = homes(tmp_path / "project")
    (project / "homes" / "checks").mkdir()
    (project / "homes" / "checks" / "no_frost.sql").write_text(COLD)
    silver = project / "homes" / "silver" / "readings.sql"
    text = silver.read_text()
    at = text.index("*/")
    silver.write_text(text[:at] + "not_null: [energy]\nunique: [home_id]\n" + text[at:])
    with PlatformProcess(project, tmp_path / "data", PENSTOCK_CHECKS_EVERY="1s") as platform:
        wait_for("an empty table to pass", lambda: states(platform)["readings.unique_home_id"])
        platform.post(readings(0, 50))
        wait_for("a failure", lambda: states(platform)["readings.unique_home_id"] == "failed")
        (failed,) = [c for c in checks(platform) if c["name"] == "readings.unique_home_id"]
        assert (failed["failures"], len(failed["sample"])) == (7, 5)
        assert states(platform)["no_frost"] == "passed"
        words = platform.command("check", "--data", "--json", "--project", str(project))
        done = subprocess.run(
            words, env=platform.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 4, done.stderr
        document = json.loads(done.stdout)
        assert not document["ok"]
        found = {c["name"]: c["state"] for c in document["checks"]}
        assert found["no_frost"] == found["readings.not_null_energy"] == "passed"
        assert [name for name, state in found.items() if state != "passed"] == [
            "readings.unique_home_id"
        ]
        client = platform.client()
        client.execute("RENAME TABLE readings TO elsewhere", database="homes")
        wait_for("an error", lambda: states(platform)["no_frost"] == "error")
        client.execute("RENAME TABLE elsewhere TO readings", database="homes")
        client.close()


def checks(platform: PlatformProcess) -> list[dict[str, Any]]:
    return list(platform.get("/v1/checks")["checks"])


def states(platform: PlatformProcess) -> dict[str, str]:
    """The state of each check by name; nothing for one that has not run."""
    return {c["name"]: c["state"].replace("waiting", "") for c in checks(platform)}
