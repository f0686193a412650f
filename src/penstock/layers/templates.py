"""Renders the files of `templates/`: what `penstock new` writes is kept there as real files.

Two things happen to a template. A `{word}` is replaced by its value; braces around anything else,
such as ClickHouse's `{name:Type}`, stay. The lines between `--each fields` and `--end` (in TOML
`#each` and `#end`) are written once for each item of that list, so an empty list leaves them out.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Words = dict[str, str]

_EACH = re.compile(r"(?ms)^[ \t]*(?:--|#)each (\w+)\n(.*?)^[ \t]*(?:--|#)end\n")


def render(name: str, words: Mapping[str, str], lists: Mapping[str, Sequence[Words]]) -> str:
    """One template as text.

    Args:
        name: file under `templates/`, such as `silver.sql`.
        words: values of `{word}`.
        lists: items of each `--each`; every list that the template names is to be there.
    """
    text = resources.files("penstock.layers").joinpath("templates", name).read_text("utf-8")

    def repeated(match: re.Match[str]) -> str:
        return "".join(_filled(match[2], item) for item in lists[match[1]])

    return _filled(_EACH.sub(repeated, text), words)


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), text)
