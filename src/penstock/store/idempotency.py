"""Bodies sent with an `Idempotency-Key`: each is stored once, however often it is sent.

::

    take (row written) → body stored in the source under the claim → settle (answer written)

A key is running while its row has no answer. A crash leaves it so; the next start asks the source
what it holds under the row's claim (`resolve`). Where that is everything the key is done; else its
next sender takes it over and stores what is missing. Rows go after `KEPT_MS`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from penstock.store.dialects import upsert
from penstock.store.records import Span, spans_of
from penstock.store.schema import INGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from penstock.store.database import Store

    Look = Callable[[Callable[[str], bool]], Mapping[str, tuple[int, int, int]]]

KEPT_MS = 7 * 24 * 3600 * 1000
"""How long a key is remembered after it was first sent."""

ACCEPTED = 202
"""The status of an answer that says no more than that all records are stored in the source."""


@dataclass(frozen=True, slots=True)
class Post:
    """One body under one key.

    Attributes:
        domain: of the source.
        source: its name.
        key: as the sender chose it; one of its own for each source.
        claim: names this attempt at storing the body; its records are tagged `claim/number`.
        fingerprint: of the records.
        rows: how many records.
        spans: where those are that have been stored, in their order.
        status: of the answer; 0 while there is none.
        answer: the document that was answered.
    """

    domain: str
    source: str
    key: str
    claim: str
    fingerprint: str
    rows: int
    spans: tuple[Span, ...] = ()
    status: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict)

    def tag(self, number: int) -> str:
        """Of its records in the source: one for each piece that they are stored in."""
        return f"{self.claim}/{number}"

    @property
    def stored(self) -> int:
        """Records stored so far."""
        return sum(span.stop - span.start for span in self.spans)

    def accepted(self) -> Post:
        """As it is once all its records are stored."""
        answer = {"accepted": self.rows, "source": f"{self.domain}/{self.source}"}
        return replace(self, status=ACCEPTED, answer=answer)


class IdempotencyKeys:
    """The only writer of the keys; safe to share between threads.

    All methods raise what `Store.writing` raises.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(
        self, taken: Sequence[Post], settled: Sequence[Post], running: Collection[str]
    ) -> list[Post]:
        """Do steps of many requests in one transaction: first those that settle, then the others.

        Args:
            taken: bodies that came; where a key is new, or was left behind, it becomes theirs.
            settled: what became of claims: an answer; or, with status 0, the spans stored before
                something failed. Without any the key is forgotten.
            running: claims that are being worked on; a key of any other that has no answer was
                left behind.

        Returns:
            One a body taken, as it stands now: with its own claim where the key is its own to
            work on (`spans` may then hold what is stored already), else as found.
        """
        if not taken and not settled:
            return []
        with self._store.writing() as connection:
            for post in settled:
                _settle(connection, post)
            now = time.time_ns() // 1_000_000
            return [_take(connection, post, running, now) for post in taken]

    def resolve(self, domain: str, source: str, look: Look) -> tuple[int, int]:
        """Judge the keys that a crash left running by what the source holds.

        Args:
            domain: of the source.
            source: its name.
            look: gives tag → (part, start, stop) of the records in the source whose tag is wanted.

        Returns:
            How many are done, and how many may be taken over.
        """
        own = INGEST_KEY.c
        running = (own.domain == domain) & (own.source == source) & (own.status == 0)
        with self._store.reading() as connection:
            posts = [_post(row) for row in connection.execute(sa.select(INGEST_KEY).where(running))]
        if not posts:
            return 0, 0
        claims: dict[str, list[Span]] = {post.claim: [] for post in posts}
        for tag, span in look(lambda tag: _claim_of(tag) in claims).items():
            claims[_claim_of(tag)].append(Span(*span))
        judged = [_judged(post, claims[post.claim]) for post in posts]
        self.write([], judged, ())
        done = sum(post.status != 0 for post in judged)
        return done, len(judged) - done

    def sweep(self) -> int:
        """Forget the keys whose time is over; returns how many."""
        now = time.time_ns() // 1_000_000
        with self._store.writing() as connection:
            gone = connection.execute(sa.delete(INGEST_KEY).where(INGEST_KEY.c.expires_ms < now))
            return gone.rowcount


def _claim_of(tag: str) -> str:
    return tag.partition("/")[0]


def _judged(post: Post, found: Iterable[Span]) -> Post:
    # Some may have been written down before the crash, when storing the rest had failed.
    now = replace(post, spans=(*post.spans, *(span for span in found if span not in post.spans)))
    return now.accepted() if now.stored >= now.rows else now


def _take(connection: sa.Connection, post: Post, running: Collection[str], now: int) -> Post:
    one = _named(post)
    fresh = _values(post) | {"expires_ms": now + KEPT_MS}
    made = connection.execute(
        upsert(connection, INGEST_KEY).values(**fresh).on_conflict_do_nothing()
    )
    if made.rowcount == 1:
        return post
    row = connection.execute(sa.select(INGEST_KEY).where(one)).one()
    found = _post(row)
    if row.expires_ms < now:
        connection.execute(sa.update(INGEST_KEY).where(one).values(**fresh))
        return post
    if found.fingerprint != post.fingerprint or found.status or found.claim in running:
        return found
    connection.execute(sa.update(INGEST_KEY).where(one).values(claim=post.claim))
    return replace(found, claim=post.claim)


def _settle(connection: sa.Connection, post: Post) -> None:
    one = _named(post) & (INGEST_KEY.c.claim == post.claim)
    if not post.status and not post.spans:
        connection.execute(sa.delete(INGEST_KEY).where(one))
        return
    connection.execute(sa.update(INGEST_KEY).where(one).values(**_values(post)))


def _named(post: Post) -> sa.ColumnElement[bool]:
    own = INGEST_KEY.c
    return (own.domain == post.domain) & (own.source == post.source) & (own.key == post.key)


def _values(post: Post) -> dict[str, Any]:
    return {
        "domain": post.domain,
        "source": post.source,
        "key": post.key,
        "claim": post.claim,
        "fingerprint": post.fingerprint,
        "rows": post.rows,
        "spans": [[s.part, s.start, s.stop] for s in post.spans],
        "status": post.status,
        "answer": dict(post.answer),
    }


def _post(row: sa.Row[Any]) -> Post:
    return Post(
        domain=row.domain,
        source=row.source,
        key=row.key,
        claim=row.claim,
        fingerprint=row.fingerprint,
        rows=row.rows,
        spans=spans_of(row.spans),
        status=row.status,
        answer=row.answer,
    )
