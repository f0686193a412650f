"""The lint of size budgets, on modules that break one each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "budgets.py"
SOUND = '"""A module."""\n'


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("part", "body", "said"),
    [
        ("engine", "", ""),
        ("engine", "x = 1\n" * 500, "501 lines"),
        ("engine", "def f():\n    'Doc.'\n" + "    x = 1\n" * 49, "f has 51 lines"),
        ("engine", "def f(a, b, c, d, e, *, f):\n    'Doc.'\n", ""),
        ("engine", "def f(a, b, c, d, e, f, *, g):\n    'Doc.'\n", "7 parameters"),
        ("cli", "def f(a, b, c, d, e, f, *, g):\n    'Doc.'\n", ""),
        ("engine", "class C:\n    'D.'\n    def f(self, a, b, c, d, e, g):\n        'D.'\n", ""),
        ("engine", "def f():\n    pass\n", "f has no docstring"),
        ("engine", "class C:\n    'D.'\n    def f(self):\n        pass\n", "f has no docstring"),
        ("engine", "class _C:\n    def f(self):\n        pass\n", ""),
        ("engine", "def _f():\n    pass\n", ""),
        ("engine", "try:\n    pass\nexcept Exception:\n    pass\n", "broad except"),
        ("engine", "try:\n    pass\nexcept:\n    pass\n", "broad except"),
        ("engine", "try:\n    pass\nexcept (OSError, Exception):\n    pass\n", "broad except"),
        ("engine", "try:\n    pass\nexcept BaseException:\n    raise\n", ""),
        ("runtime", "try:\n    pass\nexcept Exception:\n    pass\n", ""),
    ],
)
def test_a_budget(tmp_path: Path, part: str, body: str, said: str) -> None:
    folder = tmp_path / "penstock" / part
    folder.mkdir(parents=True)
    (folder / "module.py").write_text(SOUND + body, "utf-8")
    done = run(tmp_path)
    assert (said in done.stdout) if said else done.stdout == ""
    assert done.returncode == (1 if said else 0)


def test_a_module_without_a_docstring(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("x = 1\n", "utf-8")
    assert "the module has no docstring" in run(tmp_path).stdout
