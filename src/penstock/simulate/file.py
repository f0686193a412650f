"""Writes a generator's rows to a file, as fast as they are made, and keeps the account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, BinaryIO

from penstock.simulate.truth import write_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock.simulate.stream import Stream
    from penstock.simulate.truth import Truth

_BODY_ROWS = 8192
_ACCOUNT_S = 1.0


def write_rows(
    stream: Stream,
    file: BinaryIO,
    truth: Truth,
    *,
    truth_file: Path | None = None,
    on_account: Callable[[Truth], None] | None = None,
) -> None:
    """Write all rows there are.

    Rows count as acknowledged once `file` has taken them. The truth file is written each
    second and at the end, also where the writing ends early.

    Args:
        stream: the rows; the stream must have an end.
        file: where they go.
        truth: the account to keep.
        truth_file: where to write it.
        on_account: called with it each second and at the end.

    Raises:
        OSError: the file takes no more.
    """
    written_at = time.monotonic()
    try:
        for batch in stream.batches(_BODY_ROWS):
            truth.count_sent(batch.counts)
            file.write(batch.body)
            truth.count_acknowledged(batch.counts, time.time())
            if time.monotonic() >= written_at + _ACCOUNT_S:
                written_at = time.monotonic()
                _account(truth, truth_file, on_account)
        file.flush()
    finally:
        truth.final = True
        _account(truth, truth_file, on_account)


def _account(
    truth: Truth, truth_file: Path | None, on_account: Callable[[Truth], None] | None
) -> None:
    if truth_file is not None:
        write_document(truth_file, truth.document())
    if on_account is not None:
        on_account(truth)
