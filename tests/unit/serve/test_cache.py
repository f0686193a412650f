"""The cache: right, not old; one query a key however many wait; bounded."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from deploy.native.redis import REDIS
from redis import Redis
from tests.services.native import Native

from penstock.errors import EngineError, UsageError
from penstock.project.objects import Endpoint, Header
from penstock.serve import cache as cache_module
from penstock.serve.cache import Answer, Cache, Key, Versions, is_moving, tables_of
from penstock.serve.redis_tier import RedisTier

if TYPE_CHECKING:
    from collections.abc import Coroutine

READINGS, METERS = "homes.readings", "other.meters"


def named(*values: str | None) -> Key:
    """A key with some values of parameters."""
    return Key("homes", "sent", "JSON", tuple((f"p{n}", value) for n, value in enumerate(values)))


KEY = named()


def endpoint(sql: str = "SELECT 1 FROM readings", **header: object) -> Endpoint:
    reads = ("readings", METERS)
    return Endpoint(
        "homes", "homes", "sent", Path("sent.sql"), sql, 1, Header("", header), (), reads
    )


PLAIN = endpoint()


@dataclass
class Source:
    """What a query reads: a number that changes, read once the query is allowed to go on."""

    value: int = 0
    queries: int = 0
    error: Exception | None = None
    gate: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)

    async def query(self) -> bytes:
        self.queries += 1
        read = self.value
        self.started.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return b"%d" % read


@dataclass
class Bench:
    """A cache over a source whose changes bump a table.

    With a tier, nothing is held in process from one look to the next: what it says is what Redis
    has.
    """

    versions: Versions = field(default_factory=Versions)
    source: Source = field(default_factory=Source)
    tier: RedisTier | None = None

    def __post_init__(self) -> None:
        self.cache = Cache(self.versions, self.tier)

    def change(self, table: str = READINGS) -> None:
        self.source.value += 1
        self.versions.bump((table,))

    async def get(
        self, asked: Endpoint = PLAIN, key: Key = KEY, *, stale: bool = True
    ) -> tuple[int, str]:
        answer, state = await self.ask(asked, key, self.source.query, stale=stale)
        return int(answer.body), state

    async def ask(
        self,
        asked: Endpoint,
        key: Key,
        query: Callable[[], Awaitable[bytes]],
        *,
        stale: bool = True,
    ) -> tuple[Answer, str]:
        if self.tier is not None:
            await self.tier.settle()
            for held in list(self.cache._entries):
                self.cache._forget(held)
        return await self.cache.get(asked, key, query, stale=stale)

    def held(self) -> list[Answer]:
        return list(self.cache._entries.values())


OPEN: list[RedisTier] = []
"""Tiers of the running test: a loop opens and closes them."""


@pytest.fixture(params=["process", "redis"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """A cache in process; the same with Redis behind it."""
    if request.param == "process":
        return Bench()
    server: Native = request.getfixturevalue("redis")
    with Redis.from_url(server.environment["REDIS_URL"]) as client:
        client.flushall()
    OPEN.append(RedisTier(server.environment["REDIS_URL"]))
    return Bench(tier=OPEN[-1])


IN_PROCESS = pytest.mark.parametrize("bench", ["process"], indirect=True)
IN_REDIS = pytest.mark.parametrize("bench", ["redis"], indirect=True)


def run(work: Coroutine[object, object, None]) -> None:
    async def within() -> None:
        for tier in OPEN:
            await tier.open()
        try:
            await asyncio.wait_for(work, 20)
        finally:
            while OPEN:
                await OPEN.pop().close()

    asyncio.run(within())


# Versions


def test_an_answer_holds_while_its_tables_stand(bench: Bench) -> None:
    async def through() -> None:
        assert await bench.get() == (0, "miss")
        assert [await bench.get() for _ in range(3)] == [(0, "hit")] * 3
        bench.versions.bump(("homes.others", "readings", "meters"))  # of which it reads none
        assert await bench.get() == (0, "hit")
        assert bench.source.queries == 1

    run(through())


@pytest.mark.parametrize("table", [READINGS, METERS])
def test_a_change_of_any_table_it_reads_ends_it(bench: Bench, table: str) -> None:
    async def through() -> None:
        await bench.get()
        bench.change(table)
        assert await bench.get() == (1, "miss")
        assert await bench.get() == (1, "hit")

    run(through())


def test_keys_do_not_know_each_other(bench: Bench) -> None:
    async def through() -> None:
        await bench.get(key=named("a", "x=1"))
        bench.source.value = 7
        assert await bench.get(key=named("a", "x=2")) == (7, "miss")
        assert await bench.get(key=named("a", "x=1")) == (0, "hit")

    run(through())


def test_names_are_looked_up_in_the_endpoint_s_database() -> None:
    assert tables_of(PLAIN) == (READINGS, METERS)


def test_versions_count_each_table_by_itself() -> None:
    versions = Versions()
    assert versions.of(("a", "b"))[:2] == (0, 0)
    versions.bump(("a", "b"))
    versions.bump(("b",))
    assert versions.of(("b", "a", "c"))[:3] == (2, 1, 0)


def test_bumps_of_many_threads_are_all_counted() -> None:
    versions = Versions()

    def bump() -> None:
        for _ in range(2000):
            versions.bump(("a",))

    threads = [threading.Thread(target=bump) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert versions.of(("a",))[0] == 16_000


def test_a_change_during_the_query_leaves_no_old_answer_behind(bench: Bench) -> None:
    async def through() -> None:
        bench.source.gate = asyncio.Event()
        asked = asyncio.create_task(bench.get())
        await bench.source.started.wait()
        bench.change()
        bench.source.gate.set()
        assert await asked == (0, "miss")
        assert await bench.get() == (1, "miss")

    run(through())


def test_who_asks_after_a_change_never_gets_an_answer_from_before_it(bench: Bench) -> None:
    """The sender of the change has been told that it can be queried."""

    async def through() -> None:
        bench.source.gate = asyncio.Event()
        early = asyncio.create_task(bench.get())
        await bench.source.started.wait()
        bench.change()
        late = asyncio.create_task(bench.get())
        await asyncio.sleep(0)
        bench.source.gate.set()
        assert await early == (0, "miss")
        assert await late == (1, "miss")
        assert await bench.get() == (1, "hit")

    run(through())


def test_an_early_query_that_ends_late_does_not_replace_a_newer_answer(bench: Bench) -> None:
    async def through() -> None:
        slow = bench.source.gate = asyncio.Event()
        early = asyncio.create_task(bench.get())
        await bench.source.started.wait()
        bench.change()
        bench.source.gate = None
        assert await bench.get() == (1, "miss")
        slow.set()
        assert await early == (0, "miss")
        assert await bench.get() == (1, "hit")

    run(through())


def test_under_changes_from_another_thread_answers_are_never_old(bench: Bench) -> None:
    seen: list[tuple[int, int]] = []
    over = threading.Event()

    def change() -> None:
        while not over.wait(0.0001):  # or it would keep the interpreter to itself
            bench.change()

    async def through() -> None:
        for n in range(2000):
            before = bench.versions.of((READINGS,))[0]
            value, _ = await bench.get(key=named("k", str(n % 3)))
            seen.append((before, value))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        run(through())
    finally:
        over.set()
        thread.join()
    assert all(value >= before for before, value in seen)
    assert seen[-1][0] > 0, "nothing changed meanwhile"


# One flight


def test_fifty_at_once_are_one_query(bench: Bench) -> None:
    async def through() -> None:
        bench.source.gate = asyncio.Event()
        asked = [asyncio.create_task(bench.get()) for _ in range(50)]
        await bench.source.started.wait()
        await asyncio.sleep(0.01)
        bench.source.gate.set()
        assert await asyncio.gather(*asked) == [(0, "miss")] * 50
        assert bench.source.queries == 1
        assert await bench.get() == (0, "hit")

    run(through())


def test_flights_of_other_keys_do_not_wait_for_each_other(bench: Bench) -> None:
    async def through() -> None:
        bench.source.gate = asyncio.Event()
        slow = asyncio.create_task(bench.get(key=named("slow")))
        await bench.source.started.wait()
        bench.source.gate = None
        assert await bench.get(key=named("fast")) == (0, "miss")
        assert not slow.done()
        slow.cancel()

    run(through())


def test_everyone_who_waited_gets_the_error_and_nobody_later(bench: Bench) -> None:
    async def through() -> None:
        bench.source.gate = asyncio.Event()
        bench.source.error = EngineError("it broke", code=159)
        asked = [asyncio.create_task(bench.get()) for _ in range(5)]
        await bench.source.started.wait()
        bench.source.gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["it broke"] * 5
        assert {type(answer) for answer in answers} == {EngineError}
        assert bench.source.queries == 1
        assert bench.held() == []
        bench.source.error = None
        assert await bench.get() == (0, "miss")

    run(through())


def test_an_error_keeps_no_right_answer_from_being_given(bench: Bench) -> None:
    """An answer that still holds is not lost because another key's query failed."""

    async def through() -> None:
        await bench.get()
        bench.source.error = EngineError("it broke")
        with pytest.raises(EngineError):
            await bench.get(key=named("another"))
        assert await bench.get() == (0, "hit")

    run(through())


@pytest.mark.parametrize("leavers", [1, 4, 5])
def test_who_leaves_takes_nobody_along(bench: Bench, leavers: int) -> None:
    """The first, who started the query, is among those that leave; so may be all of them."""

    async def through() -> None:
        bench.source.gate = asyncio.Event()
        asked = [asyncio.create_task(bench.get()) for _ in range(5)]
        await bench.source.started.wait()
        for task in asked[:leavers]:
            task.cancel()
        await asyncio.sleep(0)
        bench.source.gate.set()
        assert await asyncio.gather(*asked[leavers:]) == [(0, "miss")] * (5 - leavers)
        answers = await asyncio.gather(*asked[:leavers], return_exceptions=True)
        assert {type(answer) for answer in answers} == {asyncio.CancelledError}
        assert (await bench.get())[0] == 0
        assert bench.source.queries == 1, "what was asked for anyway was thrown away"

    run(through())


# Bounds in time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The cache's own clock, set by hand."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(
        cache_module, "time", SimpleNamespace(monotonic=lambda: clock.now, time=lambda: clock.now)
    )
    return clock


NOW = "SELECT now() FROM readings"


def test_cache_is_an_upper_bound(bench: Bench, clock: SimpleNamespace) -> None:
    async def through() -> None:
        bounded = endpoint(cache="60s")
        await bench.get(bounded)
        clock.now += 59.9
        assert (await bench.get(bounded))[1] == "hit"
        clock.now += 0.1
        assert (await bench.get(bounded))[1] == "miss"
        bench.change()
        assert await bench.get(bounded) == (1, "miss")

    run(through())


@IN_PROCESS
def test_without_a_bound_a_standing_answer_never_grows_old(
    bench: Bench, clock: SimpleNamespace
) -> None:
    async def through() -> None:
        await bench.get()
        clock.now += 1e6
        assert await bench.get() == (0, "hit")

    run(through())


def test_what_looks_at_the_clock_is_held_for_its_bound_only(
    bench: Bench, clock: SimpleNamespace
) -> None:
    async def through() -> None:
        unbounded, bounded = endpoint(NOW), endpoint(NOW, cache="5s")
        await bench.get(unbounded)
        assert (await bench.get(unbounded))[1] == "miss"
        await bench.get(bounded, named("b"))
        clock.now += 4.9
        assert (await bench.get(bounded, named("b")))[1] == "hit"
        clock.now += 0.2
        assert (await bench.get(bounded, named("b")))[1] == "miss"

    run(through())


@pytest.mark.parametrize("asked", [endpoint(max_stale="1s"), endpoint(NOW, cache="5s",
                                                                     max_stale="1s")])  # fmt: skip
def test_a_busy_table_s_answer_may_be_a_little_old_and_says_so(
    bench: Bench, clock: SimpleNamespace, asked: Endpoint
) -> None:
    async def through() -> None:
        await bench.get(asked)
        bench.change()
        clock.now += 0.9
        assert await bench.get(asked) == (0, "stale")
        assert await bench.get(asked, stale=False) == (1, "miss"), "who will not have it old"
        assert await bench.get(asked) == (1, "hit")
        bench.change()
        clock.now += 1.0
        assert await bench.get(asked) == (2, "miss")

    run(through())


@IN_PROCESS
def test_a_stale_answer_is_made_anew_behind_who_asks(bench: Bench, clock: SimpleNamespace) -> None:
    """From half its time on, so that nobody waits; what fails there fails nobody."""

    async def through() -> None:
        asked = endpoint(max_stale="1s")
        await bench.get(asked)
        bench.change()
        clock.now += 0.4
        assert await bench.get(asked) == (0, "stale")
        await asyncio.sleep(0.01)
        assert bench.source.queries == 1, "too early"
        clock.now += 0.2
        assert [await bench.get(asked) for _ in range(9)] == [(0, "stale")] * 9
        await asyncio.sleep(0.01)
        assert bench.source.queries == 2
        assert await bench.get(asked) == (1, "hit")
        bench.change()
        clock.now += 0.6
        bench.source.error = EngineError("it broke")
        assert await bench.get(asked) == (1, "stale")
        await asyncio.sleep(0.01)
        bench.source.error = None
        assert await bench.get(asked) == (1, "stale")
        await asyncio.sleep(0.01)
        assert await bench.get(asked) == (2, "hit")

    run(through())


@pytest.mark.parametrize(
    ("sql", "moving"),
    [
        ("SELECT now() FROM t", True),
        ("SELECT NOW () FROM t", True),
        ("SELECT now64(3, 'UTC') FROM t", True),
        ("SELECT today(), yesterday() FROM t", True),
        ("SELECT rand() % 2, rand64(), randUniform(0, 1) FROM t", True),
        ("SELECT dictGetOrDefault('d', 'a', k, 0) FROM t", True),
        ("SELECT known() FROM t", False),
        ("SELECT now FROM t", False),
        ("SELECT sum(brand) FROM t", False),
        pytest.param(
            "SELECT generateUUIDv4() FROM t", True,
        ),
        pytest.param(
            "SELECT toUnixTimestamp(current_timestamp()), UTCTimestamp() FROM t", True,
        ),
    ],
)  # fmt: skip
def test_what_looks_at_the_clock(sql: str, moving: bool) -> None:
    assert is_moving(endpoint(sql)) == moving


# Tags, and bounds in size


def test_a_tag_names_the_bytes(bench: Bench) -> None:
    async def through() -> None:
        tags: list[str] = []
        for value in (1, 2, 1):
            bench.source.value = value
            answer, _ = await bench.ask(PLAIN, named("k", str(len(tags))), bench.source.query)
            tags.append(answer.etag)
        assert tags[0] == tags[2] != tags[1]
        assert all(tag.startswith('"') and tag.endswith('"') and len(tag) > 16 for tag in tags)

    run(through())


def serving(body: bytes) -> Callable[[], Awaitable[bytes]]:
    async def query() -> bytes:
        return body

    return query


@IN_PROCESS
def test_the_number_of_answers_is_bounded(bench: Bench) -> None:
    """What was used longest ago goes first."""

    async def through() -> None:
        most = cache_module._ENTRIES
        for n in range(most):
            await bench.get(key=named(str(n)))
        assert (await bench.get(key=named("0")))[1] == "hit"
        for n in range(most, most + 10):
            await bench.get(key=named(str(n)))
        assert len(bench.held()) == most
        assert (await bench.get(key=named("0")))[1] == "hit"
        assert (await bench.get(key=named("1")))[1] == "miss"

    run(through())


@IN_PROCESS
def test_the_bytes_of_answers_are_bounded(bench: Bench) -> None:
    async def through() -> None:
        megabyte = bytes(1 << 20)
        for n in range(100):
            await bench.ask(PLAIN, named(str(n)), serving(megabyte))
            assert sum(len(answer.body) for answer in bench.held()) <= cache_module._BYTES
        assert len(bench.held()) > 30, "far less was held than may be"

    run(through())


@IN_PROCESS
def test_large_answers_drive_nothing_out(bench: Bench) -> None:
    async def through() -> None:
        for n in range(5):
            await bench.get(key=named(str(n)))
        large = bytes(cache_module._BYTES // 2)
        for n in range(3):
            answer, state = await bench.ask(PLAIN, named("large", str(n)), serving(large))
            assert (answer.body, state) == (large, "miss")
        assert [(await bench.get(key=named(str(n))))[1] for n in range(5)] == ["hit"] * 5

    run(through())


def test_an_answer_that_is_made_again_counts_once(bench: Bench) -> None:
    async def through() -> None:
        megabyte = bytes(1 << 20)
        for _ in range(100):
            bench.change()
            await bench.ask(PLAIN, named("one"), serving(megabyte))
        await bench.get(key=named("other"))
        assert await bench.get(key=named("other")) == (100, "hit")
        assert (await bench.ask(PLAIN, named("one"), serving(b"")))[1] == "hit"
        assert bench.cache._bytes == sum(len(answer.body) for answer in bench.held())

    run(through())


# Redis


def stored(redis: Native) -> Redis:
    return Redis.from_url(redis.environment["REDIS_URL"], decode_responses=False)


SUMMARY = endpoint(params={"p1": "first", "p0": "then"}, cache="1h")


@IN_REDIS
def test_keys_in_redis_can_be_read_and_end(bench: Bench, redis: Native) -> None:
    async def through() -> None:
        await bench.get(SUMMARY, named("last_hour", "ann"))
        await bench.get(SUMMARY, named("a:b%", None))
        await bench.get(SUMMARY, named("x" * 5000, ""))
        await bench.get(key=named("csv")._replace(form="CSV"))
        await bench.get(key=named("csv"))
        assert bench.tier is not None
        await bench.tier.settle()

    run(through())
    with stored(redis) as client:
        keys = {key.decode() for key in client.scan_iter()}
        assert {"sent:ann:last_hour", "sent:%:a%3Ab%25", "sent:csv"} < keys
        (long,) = (key for key in keys if key.startswith("sent::%~"))
        assert len(long) < 60
        assert client.hlen("sent:csv") == 2
        assert all(0 < client.ttl(key) <= 300 for key in keys)


@IN_REDIS
def test_values_that_look_alike_are_told_apart(bench: Bench) -> None:
    asked = [named("a:b"), named("a", "b"), named("a", None), named("a", ""), named("a"), named()]
    asked += [KEY._replace(sql="SELECT 2"), KEY._replace(form="CSV"), KEY._replace(domain="other")]

    async def through() -> None:
        for value, key in enumerate(asked):
            bench.source.value = value
            assert await bench.get(key=key) == (value, "miss")
        assert [await bench.get(key=key) for key in asked] == [
            (n, "hit") for n in range(len(asked))
        ]

    run(through())


@IN_REDIS
def test_what_one_may_see_is_not_kept_for_others(bench: Bench, redis: Native) -> None:
    async def through() -> None:
        await bench.get(endpoint(row_policy="user_id = {user}"))
        await bench.get(endpoint(NOW))

    run(through())
    with stored(redis) as client:
        assert not client.dbsize()


@pytest.mark.parametrize(
    ("way", "state"), [("in order", "hit"), ("killed", "miss"), ("copied", "miss"),
                       ("written to meanwhile", "miss"), ("landed into since", "miss")],
)  # fmt: skip
def test_the_next_process_finds_answers_where_they_are_right(
    redis: Native, way: str, state: str
) -> None:
    """The counts of both are the same, as each begins at nothing."""
    with stored(redis) as client:
        client.flushall()
    writes = SimpleNamespace(count=3)
    first, second = (Versions(lambda: writes.count) for _ in range(2))
    source = Source()
    for versions in (first, second):
        versions.bump((READINGS,))

    async def ask(versions: Versions) -> str:
        tier = RedisTier(redis.environment["REDIS_URL"])
        await tier.open()
        _, found = await Cache(versions, tier).get(PLAIN, KEY, source.query)
        await tier.close()
        return found

    assert asyncio.run(ask(first)) == "miss"
    noted = first.note("here")
    if way == "written to meanwhile":
        writes.count += 1
    if way != "killed":
        second.resume(noted, "there" if way == "copied" else "here")
    if way == "landed into since":
        second.bump((READINGS,))
    assert asyncio.run(ask(second)) == state


@IN_REDIS
def test_what_others_have_put_there_is_no_answer(bench: Bench, redis: Native) -> None:
    async def through() -> None:
        await bench.get()
        await bench.get(key=named("text"))
        assert bench.tier is not None
        await bench.tier.settle()
        with stored(redis) as client:
            (field,) = client.hkeys("sent")
            client.hset("sent", field, b"\x95\xa1x")
            client.set("sent:text", "mine")
        assert await bench.get() == (0, "miss")
        assert await bench.get() == (0, "hit")
        assert [await bench.get(key=named("text")) for _ in range(3)] == [(0, "miss")] * 3
        await bench.tier.settle()
        assert bench.tier.document()["state"] == "up"
        assert "WRONGTYPE" in bench.tier.document()["reason"]
        with stored(redis) as client:
            assert (client.get("sent:text"), client.ttl("sent:text")) == (b"mine", -1)

    run(through())


@IN_REDIS
def test_after_300_seconds_nothing_of_redis_is_given(bench: Bench, clock: SimpleNamespace) -> None:
    async def through() -> None:
        await bench.get()
        clock.now += 299
        assert (await bench.get())[1] == "hit"
        clock.now += 1
        assert (await bench.get())[1] == "miss"
        clock.now -= 10  # the clock was set back
        assert (await bench.get())[1] == "miss"

    run(through())


def test_nobody_waits_for_a_redis_that_is_away() -> None:
    """It answers nothing and holds on to who asks: only the first one waits for it."""
    with Native(REDIS) as server:
        tier = RedisTier(server.environment["REDIS_URL"])
        bench = Bench(tier=tier)

        async def seen(state: str) -> None:
            while tier.state != state:  # noqa: ASYNC110 - as the platform's status, it is asked
                await asyncio.sleep(0.02)

        async def through() -> None:
            assert [(await bench.get())[1] for _ in range(2)] == ["miss", "hit"]
            os.kill(server.process.pid, signal.SIGSTOP)
            began = time.monotonic()
            for n in range(200):
                assert await bench.get(key=named("slow", str(n))) == (0, "miss")
            assert time.monotonic() - began < 1.5
            assert tier.document()["reason"]
            assert tier.state == "down"
            os.kill(server.process.pid, signal.SIGCONT)
            await seen("up")
            assert await bench.get() == (0, "hit")
            server.kill()
            for n in range(50):
                assert await bench.get(key=named("gone", str(n))) == (0, "miss")
            await seen("down")
            server.start()
            await seen("up")
            assert [(await bench.get())[1] for _ in range(2)] == ["miss", "hit"]

        OPEN.append(tier)
        run(through())


@pytest.mark.parametrize("url", ["localhost", "http://localhost", ""])
def test_an_address_that_is_none_is_said(url: str) -> None:
    with pytest.raises(UsageError, match="REDIS_URL"):
        RedisTier(url)
