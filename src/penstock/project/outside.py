"""Functions that reach outside of a project's tables: files, network, programs, models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.project import lexer
from penstock.project.lexer import STRING, WORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock.project.lexer import Token

_NAMES = frozenset(
    """
    file filecluster url urlcluster s3 s3cluster gcs hdfs hdfscluster azureblobstorage
    azureblobstoragecluster remote remotesecure cluster clusterallreplicas mysql postgresql
    mongodb redis sqlite odbc jdbc executable iceberg icebergs3 icebergazure icebergcluster
    iceberglocal deltalake deltalakecluster deltalakelocal hudi hudicluster paimon python merge
    arrowflight ytsaurus input catboostevaluate
    """.split()  # noqa: SIM905 - forty lines of quotes say no more
)
_MODEL = re.compile(r"ai[A-Z]\w*")
_CREATED = ("TABLE", "VIEW", "DICTIONARY", "TO", "EXISTS")
_TAKES_A_FUNCTION = re.compile(r"apply|array\w*|map\w*", re.IGNORECASE)


def reaching_out(found: Sequence[Token]) -> Iterator[int]:
    """Index of each name that calls such a function, or hands it to one that calls it.

    The engine's grants do not refuse the scalar `file('…')`, so text is looked at as well.
    """
    for index, name in lexer.called(found):
        before = found[index - 1].upper if index else ""
        if _is_outside(name) and before != "." and before not in _CREATED:
            yield index
    for index, token in enumerate(found):
        if token.kind == WORD and _is_outside(token.text) and _handed_over(found, index):
            yield index


def unlisted_file(found: Sequence[Token], allowed: Sequence[Path]) -> Token | None:
    """The first such function that is not `file('…')` on a path within `allowed`, or None."""
    for index in reaching_out(found):
        arguments = lexer.arguments(found, index) if found[index + 1].text == "(" else []
        literal = bool(arguments) and len(arguments[0]) == 1 and arguments[0][0].kind == STRING
        if found[index].text != "file" or not literal:
            return found[index]
        path = Path(arguments[0][0].value).resolve()
        if not any(path == root or root in path.parents for root in allowed):
            return found[index]
    return None


def _is_outside(name: str) -> bool:
    return name.lower() in _NAMES or _MODEL.fullmatch(name) is not None


def _handed_over(found: Sequence[Token], index: int) -> bool:
    """`arrayMap(file, …)` and `APPLY(file)`: a function's name where a function is expected."""
    after = found[index + 1].text if index + 1 < len(found) else ""
    if after in ("(", "."):
        return False
    if index and found[index - 1].upper == "APPLY":
        return True
    caller = found[index - 2].text if index > 1 and found[index - 1].text == "(" else ""
    return _TAKES_A_FUNCTION.fullmatch(caller) is not None
