"""Keys of bodies: taken, settled, left behind, judged after a crash, forgotten."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from penstock.store.idempotency import KEPT_MS, IdempotencyKeys, Post
from penstock.store.ledger import Span
from penstock.store.schema import INGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from penstock.store.database import Store

SPANS = (Span(1, 0, 5), Span(2, 0, 5))
FIRST = Post("homes", "readings", "k", "claim1", "f1", 10)
RETRY = replace(FIRST, claim="claim2")
DONE = replace(FIRST, spans=SPANS).accepted()


@pytest.fixture
def keys(store: Store) -> IdempotencyKeys:
    return IdempotencyKeys(store)


def spool(**tags: tuple[int, int, int]) -> Callable[..., Mapping[str, tuple[int, int, int]]]:
    """A source that holds records under these tags, spelt claim_number."""
    found = {tag.replace("_", "/"): span for tag, span in tags.items()}
    return lambda wanted: {tag: span for tag, span in found.items() if wanted(tag)}


def test_who_comes_first_works_on_it(keys: IdempotencyKeys) -> None:
    assert keys.write([FIRST], [], {"claim1"}) == [FIRST]
    assert keys.write([RETRY], [], {"claim1", "claim2"}) == [FIRST]
    for other in ({"key": "other"}, {"source": "meters"}, {"domain": "sales"}):
        assert keys.write([replace(RETRY, **other)], [], ()) == [replace(RETRY, **other)]


def test_the_answer_is_kept(keys: IdempotencyKeys) -> None:
    keys.write([FIRST], [], {"claim1"})
    keys.write([], [DONE], ())
    assert keys.write([RETRY], [], {"claim2"}) == [DONE]
    assert DONE.answer == {"accepted": 10, "source": "homes/readings"}
    landed = replace(DONE, status=200, answer={**DONE.answer, "dead_letters": [{"row": 1}]})
    keys.write([], [landed], ())
    assert keys.write([RETRY, RETRY], [], {"claim2"}) == [landed, landed]


def test_one_transaction_settles_before_it_takes(keys: IdempotencyKeys) -> None:
    twin = replace(FIRST, claim="claim3")
    assert keys.write([FIRST, twin], [], {"claim1", "claim3"}) == [FIRST, FIRST]
    assert keys.write([RETRY], [DONE], {"claim2"}) == [DONE]
    assert keys.write([], [], ()) == []


def test_another_body_never_gets_the_key(keys: IdempotencyKeys) -> None:
    other = replace(RETRY, fingerprint="f2")
    keys.write([FIRST], [], {"claim1"})
    assert keys.write([other], [], {"claim1"}) == [FIRST]
    assert keys.write([other], [], ()) == [FIRST]  # nor where it was left behind
    keys.write([], [DONE], ())
    assert keys.write([other], [], ()) == [DONE]


def test_what_was_left_behind_is_taken_over_with_what_is_stored(keys: IdempotencyKeys) -> None:
    part = replace(FIRST, spans=SPANS[:1])
    keys.write([FIRST], [], {"claim1"})
    keys.write([], [part], ())
    assert keys.write([RETRY], [], {"claim2"}) == [replace(part, claim="claim2")]
    assert part.stored == 5
    keys.write([], [DONE], ())  # the former one wakes: it has nothing to say any more
    assert keys.write([RETRY], [], {"claim2"}) == [replace(part, claim="claim2")]
    done = replace(DONE, claim="claim2")
    keys.write([], [done], ())
    assert keys.write([FIRST], [], {"claim1"}) == [done]


def test_a_key_with_nothing_stored_is_free_again(keys: IdempotencyKeys) -> None:
    other = replace(RETRY, fingerprint="f2")
    keys.write([FIRST], [], {"claim1"})
    assert keys.write([other], [FIRST], {"claim2"}) == [other]


def test_after_a_crash_the_source_says_what_is_stored(keys: IdempotencyKeys) -> None:
    posts = [replace(FIRST, key=name, claim=name) for name in ("whole", "half", "none", "mixed")]
    keys.write(posts, [], {post.claim for post in posts})
    mixed = replace(posts[3], spans=SPANS[:1])  # as written down when storing the rest failed
    keys.write([replace(FIRST, source="meters", claim="whole")], [mixed, DONE], ())
    look = spool(
        whole_0=(1, 0, 5), whole_1=(2, 0, 5), half_0=(1, 5, 9), mixed_0=(1, 0, 5), other_0=(3, 0, 9)
    )  # fmt: skip
    assert keys.resolve("homes", "readings", look) == (1, 3)
    retries = [replace(post, claim="again") for post in posts]
    whole, half, none, both = keys.write(retries, [], {"again"})
    assert whole == replace(posts[0], spans=SPANS).accepted()
    assert half == replace(retries[1], spans=(Span(1, 5, 9),))
    assert none == retries[2]
    assert both == replace(retries[3], spans=SPANS[:1])
    assert keys.resolve("homes", "nothing", look) == (0, 0)
    assert keys.resolve("homes", "meters", look) == (1, 0)


def test_keys_are_forgotten_after_a_week(store: Store, keys: IdempotencyKeys) -> None:
    late = replace(FIRST, key="late")
    keys.write([FIRST, late], [], {"claim1"})
    keys.write([], [DONE, replace(DONE, key="late")], ())
    with store.writing() as connection:
        found = connection.scalars(sa.select(INGEST_KEY.c.expires_ms)).all()
        assert all(0 <= time.time() * 1000 + KEPT_MS - ms < 60_000 for ms in found)
        old = sa.update(INGEST_KEY).where(INGEST_KEY.c.key == "k").values(expires_ms=1)
        connection.execute(old)
    other = replace(RETRY, fingerprint="f2")
    assert keys.write([other, replace(other, key="late")], [], ()) == [
        other,
        replace(DONE, key="late"),
    ]
    with store.writing() as connection:
        connection.execute(old)
    assert keys.sweep() == 1
    assert keys.sweep() == 0
    assert keys.write([FIRST, replace(RETRY, key="late")], [], ())[1].status == 202
