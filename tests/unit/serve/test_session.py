"""Sessions: a link opens one, once and in time; it takes two secrets; guesses keep nobody out."""

from __future__ import annotations

import pytest

from penstock.errors import BadInputError
from penstock.serve.session import LINK_S, Sessions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def refused(sessions: Sessions, code: str) -> int:
    with pytest.raises(BadInputError) as caught:
        sessions.open(code)
    return caught.value.status


def test_a_link_opens_one_session(sessions: Sessions) -> None:
    code = sessions.offer()
    opened = sessions.open(code)
    assert sessions.left(opened.cookie, opened.token) == opened.seconds
    assert refused(sessions, code) == 401


def test_a_link_is_for_minutes_and_a_session_for_hours(sessions: Sessions, clock: Clock) -> None:
    late, code = sessions.offer(), sessions.offer()
    clock.now += LINK_S - 1
    opened = sessions.open(code)
    clock.now += 2
    assert refused(sessions, late) == 401
    clock.now += opened.seconds
    assert sessions.left(opened.cookie, opened.token) == 0


def test_neither_secret_is_enough(sessions: Sessions) -> None:
    one, other = sessions.open(sessions.offer()), sessions.open(sessions.offer())
    pairs = [(one.cookie, ""), ("", one.token), (one.token, one.cookie), ("", ""),
             (one.cookie, other.token), (one.cookie[:-1], one.token)]  # fmt: skip
    assert [sessions.left(*pair) for pair in pairs] == [0] * len(pairs)
    sessions.close(one.cookie, other.token)
    assert sessions.left(one.cookie, one.token)
    sessions.close(one.cookie, one.token)
    assert sessions.left(one.cookie, one.token) == 0
    assert sessions.left(other.cookie, other.token)


def test_guesses_do_not_keep_the_owner_out(sessions: Sessions) -> None:
    code = sessions.offer()
    words = [*(f"guess{n}" for n in range(20)), "", "\ud800", code[:-1]]
    assert [refused(sessions, word) for word in words] == [401] * len(words)
    assert sessions.open(code)


def test_only_so_many_are_held_and_no_secret_is(sessions: Sessions) -> None:
    codes = [sessions.offer() for _ in range(9)]
    assert refused(sessions, codes[0]) == 401, "the oldest made room"
    opened = [sessions.open(code) for code in codes[1:]]
    held = repr(vars(sessions))
    for each in opened:
        assert each.cookie not in held
        assert each.token not in held
    for _ in range(40):
        last = sessions.open(sessions.offer())
    assert sessions.left(opened[0].cookie, opened[0].token) == 0
    assert sessions.left(last.cookie, last.token)
