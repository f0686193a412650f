from __future__ import annotations

from collections.abc import Iterator

import pytest

from .receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that is being served."""
    receiver = Receiver()
    with receiver.serving():
        yield receiver
