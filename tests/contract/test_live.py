"""Live pages: one query for all viewers of a tile, paced, in order, and closed cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import re
import signal
import socket
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from benchmarks.harness import meanwhile
from starlette.requests import Request
from tests.contract.conftest import Up, reading, running

from penstock.project import load
from penstock.serve.cache import Cache, Versions
from penstock.serve.endpoints import Endpoints
from penstock.serve.live import Live

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

DICE = "homes/dice"  # another number with each query
WINDOW = "homes/window"
_homes = itertools.count(5_000_000)


@dataclass
class Event:
    """One event as it arrived: when (monotonic), its name and its document."""

    at: float
    name: str
    data: dict[str, Any]


@dataclass
class Viewer:
    """A tab: reads events in a thread of its own until it is closed or told goodbye."""

    port: int
    tiles: tuple[str, ...]
    also: str = ""
    events: list[Event] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        query = urlencode([*(("tile", tile) for tile in self.tiles), ("also", self.also)])
        self._connection.request("GET", f"/v1/live?{query}")
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        assert self._answer.headers["Content-Type"].startswith("text/event-stream")
        assert self._answer.headers["Cache-Control"] == "no-store"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        name = ""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            while line := self._answer.readline():
                kind, _, text = line.decode().rstrip("\n").partition(": ")
                if kind == "event":
                    name = text
                elif kind == "data":
                    self.events.append(Event(time.monotonic(), name, json.loads(text)))
        self.ended = True

    def of(self, name: str, tile: str = "") -> list[Event]:
        return [e for e in self.events if e.name == name and (not tile or e.data["tile"] == tile)]

    def wait(self, seen: Callable[[Viewer], object], *, seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not seen(self):
            names = [event.name for event in self.events]
            assert time.monotonic() < deadline, f"waited in vain; arrived: {names[-20:]}"
            time.sleep(0.01)

    def numbers(self) -> list[int]:
        """What the dice showed, in the order it arrived."""
        return [event.data["columns"]["number"][0] for event in self.of("tile", DICE)]

    def close(self) -> None:
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._connection.close()


@pytest.fixture
def view(platform: Up) -> Iterator[Callable[..., Viewer]]:
    opened: list[Viewer] = []

    def _view(*tiles: str, also: str = "") -> Viewer:
        opened.append(Viewer(platform.port, tiles, also))
        return opened[-1]

    yield _view
    for viewer in opened:
        viewer.close()


def insert(platform: Up, body: bytes = b"") -> int:
    home = next(_homes)
    sent = body or json.dumps(reading(home)).encode()
    assert platform.post(sent, wait="true").status_code == 200
    return home


def inserts(platform: Up) -> AbstractContextManager[None]:
    """Rows that arrive all the time, each batch a change of every table."""
    return meanwhile(lambda: insert(platform))


# Tiles


def test_a_tile_comes_at_once_and_as_it_was_asked_for(
    platform: Up, view: Callable[..., Viewer]
) -> None:
    insert(platform)
    tiles = ("homes/readings_sent", "city_heartbeat", "homes/energy_by_region?minutes=3",
             "homes/echo?must=a%2Cb%0A%22c%22&n=5")  # fmt: skip
    viewer = view(*tiles)
    viewer.wait(lambda v: {e.data["tile"] for e in v.of("tile")} == set(tiles), seconds=5)
    for event in viewer.of("tile"):
        assert abs(event.data["at"] - time.time() * 1000) < 60_000
        assert all(isinstance(values, list) for values in event.data["columns"].values())
    (echo,) = viewer.of("tile", tiles[3])
    assert echo.data["columns"]["must"] == ['a,b\n"c"']
    assert echo.data["columns"]["n"] == [5]


def test_a_change_is_sent_and_nothing_else_is(platform: Up, view: Callable[..., Viewer]) -> None:
    insert(platform)
    viewer = view("homes/readings_sent")
    viewer.wait(lambda v: v.of("tile"))
    viewer.wait(lambda v: len(v.of("status")) >= 3)
    assert len(viewer.of("tile")) == 1, "the same rows were sent again"
    home = insert(platform)
    viewer.wait(lambda v: home in v.of("tile")[-1].data["columns"]["home_id"], seconds=3)


def test_one_query_serves_twenty_viewers(platform: Up, view: Callable[..., Viewer]) -> None:
    """Each query draws another number: how many numbers arrived is how many queries there were."""
    insert(platform)
    viewers = [view(DICE) for _ in range(20)]
    viewers[-1].wait(lambda v: v.numbers())
    started = time.monotonic()
    with inserts(platform):
        viewers[0].wait(lambda v: len(v.numbers()) >= 10)
    seconds = time.monotonic() - started
    for viewer in viewers:
        viewer.wait(lambda v: viewers[0].numbers()[-1] in v.numbers() or len(v.numbers()) > 10)
    all_numbers = {number for viewer in viewers for number in viewer.numbers()}
    most = max(len(viewer.numbers()) for viewer in viewers)
    assert len(all_numbers) <= most + 3, "viewers were shown numbers of different queries"
    assert len(all_numbers) <= 4 * seconds + 12
    assert min(len(viewer.numbers()) for viewer in viewers) >= 8


def test_at_most_four_frames_a_second_under_load(platform: Up, view: Callable[..., Viewer]) -> None:
    viewer = view(DICE)
    with inserts(platform):
        viewer.wait(lambda v: v.numbers())
        begin = time.time()
        viewer.wait(lambda v: v.of("tile", DICE)[-1].data["at"] / 1000 > begin + 4)
    sent = [event.data["at"] / 1000 for event in viewer.of("tile", DICE)]
    times = [at for at in sent if begin < at < begin + 4]
    assert 6 <= len(times) <= 17
    # Never a burst: what one second holds is four, and one more that was late.
    assert all(late - early > 0.9 for early, late in zip(times, times[5:], strict=False))


def test_a_long_tile_goes_on_by_its_changes_for_whom_asks_so(
    platform: Up, view: Callable[..., Viewer]
) -> None:
    insert(platform)
    whole, moving = view(WINDOW), view(WINDOW, also="change")
    moving.wait(lambda v: v.of("tile"))
    with inserts(platform):
        moving.wait(lambda v: len(v.of("change")) >= 4)
        late = view(WINDOW, also="change")
        late.wait(lambda v: v.of("change"))
    assert not whole.of("change")
    assert next(e.name for e in late.events if e.name in {"tile", "change"}) == "tile"
    now = moving.of("tile")[0].data
    for event in moving.of("change"):
        said = event.data
        assert said["since"] == now["at"]
        assert len(said["columns"]["n"]) < 100
        gone_on = {
            name: now["columns"][name][said["first"] : said["end"]] + news
            for name, news in said["columns"].items()
        }
        now = {**said, "columns": gone_on}
        whole.wait(lambda v, at=now["at"]: v.of("tile")[-1].data["at"] >= at)
    same = [e.data["columns"] for e in whole.of("tile") if e.data["at"] == now["at"]]
    assert same == [now["columns"]]


# Other events


def test_the_status_comes_each_second(platform: Up, view: Callable[..., Viewer]) -> None:
    viewer = view()
    viewer.wait(lambda v: len(v.of("status")) >= 5)
    times = [event.at for event in viewer.of("status")]
    gaps = [late - early for early, late in itertools.pairwise(times[1:])]
    assert 0.5 < statistics.median(gaps) < 2.5, gaps  # a busy machine may stall the reader once
    assert set(viewer.of("status")[0].data) == set(platform.status())


def test_dead_letters_come_at_once_and_as_they_change(
    platform: Up, view: Callable[..., Viewer]
) -> None:
    viewer = view()
    viewer.wait(lambda v: v.of("dead_letters"), seconds=3)
    before = viewer.of("dead_letters")[-1].data["total"]
    insert(platform, b'{"home_id": "none of ours"}')
    viewer.wait(lambda v: v.of("dead_letters")[-1].data["total"] == before + 1, seconds=4)
    assert viewer.of("dead_letters")[-1].data["items"][0]["raw"] == '{"home_id": "none of ours"}'
    seen = len(viewer.of("dead_letters"))
    statuses = len(viewer.of("status"))
    viewer.wait(lambda v: len(v.of("status")) >= statuses + 2)
    assert len(viewer.of("dead_letters")) == seen, "sent again without a change"


def test_a_tile_that_fails_is_a_problem_and_harms_no_other(
    platform: Up, view: Callable[..., Viewer]
) -> None:
    insert(platform)
    viewer = view("homes/broken", "homes/broken?most=1000000", DICE)
    viewer.wait(lambda v: v.of("problem"), seconds=5)
    problem = viewer.of("problem")[0].data
    assert problem["tile"] == "homes/broken"
    assert problem["title"]
    assert "too many homes" in problem["detail"]
    viewer.wait(lambda v: v.of("tile", "homes/broken?most=1000000"))
    viewer.wait(lambda v: len(v.numbers()) >= 2)
    assert not viewer.of("tile", "homes/broken")
    assert {event.data["tile"] for event in viewer.of("problem")} == {"homes/broken"}


@pytest.mark.parametrize(
    ("tile", "status", "code"),
    [
        ("homes/nothing", 404, "not_found"),
        ("nowhere/readings_sent", 404, "not_found"),
        ("", 404, "not_found"),
        ("homes/echo", 400, "missing_parameter"),
        ("homes/readings_sent?colour=red", 400, "unknown_parameter"),
        ("homes/echo?must=a&n=4294967296", 400, "bad_parameter"),
        ("http://[", 404, "not_found"),
        ('a"\n\nevent: tile\ndata: {}', 404, "not_found"),
    ],
)
def test_a_tile_that_is_none_says_why_and_takes_nothing_else_away(
    view: Callable[..., Viewer], tile: str, status: int, code: str
) -> None:
    viewer = view(tile, "homes/steady")
    viewer.wait(lambda v: v.of("problem") and v.of("status") and v.of("tile", "homes/steady"))
    problem = viewer.of("problem")[0].data
    assert (problem["tile"], problem["status"], problem["code"]) == (tile, status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["next"]
    assert {event.data["tile"] for event in viewer.of("tile")} == {"homes/steady"}


def test_a_problem_says_what_its_endpoint_would(platform: Up, view: Callable[..., Viewer]) -> None:
    viewer = view("homes/echo?must=a&n=x")
    viewer.wait(lambda v: v.of("problem"))
    said = platform.http.get("/v1/endpoints/homes/echo.json?must=a&n=x").json()
    told = viewer.of("problem")[0].data
    assert {k: v for k, v in told.items() if k != "tile"} == said


def test_a_tile_comes_to_life_when_its_file_is_saved(
    platform: Up, view: Callable[..., Viewer], project: Path
) -> None:
    """A page that is open while a project grows needs no reload."""
    file = project / "homes" / "serve" / "grown.sql"
    viewer = view("homes/grown")
    viewer.wait(lambda v: v.of("problem"))
    before = platform.status()["adopted"]
    file.write_text("/*\ndescription: New.\n*/\nSELECT count() AS n FROM home_latest\n")
    try:
        viewer.wait(lambda v: v.of("tile", "homes/grown"), seconds=20)
        assert platform.status()["adopted"] > before
        assert (
            "/v1/endpoints/homes/grown.{format}"
            in platform.http.get("/openapi.json").json()["paths"]
        )
    finally:
        file.unlink()
    viewer.wait(
        lambda v: v.events[-1].name == "problem" or v.of("problem")[-1].at > v.of("tile")[-1].at
    )


def test_too_many_tiles_are_refused_in_words(platform: Up) -> None:
    params = {"tile": [f"homes/echo?must={n}" for n in range(33)]}
    with platform.http.stream("GET", "/v1/live", params=params) as answer:
        assert answer.status_code == 400


# Viewers that are slow, that leave, that come back


def stalled(port: int, kb: int) -> socket.socket:
    """A viewer that stops reading in its first frame, which is more than buffers can take."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    connection.settimeout(20)
    query = urlencode({"tile": f"{DICE}?kb={kb}"})
    connection.sendall(f"GET /v1/live?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    received = b""
    while b"event: tile" not in received:
        received += connection.recv(100)
    return connection


def test_a_slow_viewer_does_not_hold_up_the_others(
    platform: Up, view: Callable[..., Viewer]
) -> None:
    with contextlib.closing(stalled(platform.port, 12_000)) as slow:
        tile = f"{DICE}?kb=12000"
        fast = view(tile, "homes/readings_sent")
        fast.wait(lambda v: len(v.of("tile", tile)) >= 3, seconds=20)
        home = insert(platform)
        fast.wait(
            lambda v: home in v.of("tile", "homes/readings_sent")[-1].data["columns"]["home_id"]
        )
        shown = [event.data["columns"]["number"][0] for event in fast.of("tile", tile)]
        fast.close()
        # It misses what came in between: after the frame it began with comes the newest.
        received = b""
        while (
            found := re.search(rb'event: tile\ndata: .{,200}"number": \[(\d+)', received)
        ) is None:
            received = received[-4000:] + slow.recv(1 << 20)
    assert len(shown) == len(set(shown)), "a frame was sent twice"
    assert int(found[1]) not in shown[:-1]


def test_viewers_that_leave_end_the_asking(platform: Up, view: Callable[..., Viewer]) -> None:
    """Nobody looks, nobody asks: the engine's count of queries stands still."""
    viewer = view(DICE)
    viewer.wait(lambda v: len(v.numbers()) >= 2)
    viewer.close()
    sql = "SELECT value FROM system.events WHERE event = 'SelectQuery'"

    def queries() -> int:
        return int(platform.front.ask(sql, key=True).body)

    deadline = time.monotonic() + 10
    before = queries()
    while time.monotonic() < deadline:
        time.sleep(1.5)
        now = queries()
        if now - before <= 1:  # the counting itself
            return
        before = now
    pytest.fail("queries went on though nobody was looking")


def live_request(tile: str) -> Request:
    query = urlencode({"tile": tile}).encode()
    return Request(
        {"type": "http", "method": "GET", "path": "/v1/live", "headers": [], "query_string": query}
    )


def test_a_tab_that_is_loaded_again_goes_on_being_served(platform: Up, project: Path) -> None:
    """The new stream is asked for before the old one has gone, and begins after it."""

    async def through() -> int:
        endpoints = Endpoints(load(project), platform.front.client(), Cache(Versions()))
        live = Live(endpoints, Versions(), {})
        old = (await live(live_request(DICE))).body_iterator
        while b"event: tile" not in await anext(aiter(old)):
            pass
        new = (await live(live_request(DICE))).body_iterator
        await old.aclose()  # type: ignore[attr-defined]
        frames: set[object] = set()
        with contextlib.suppress(TimeoutError):
            while len(frames) < 3:
                frames.add(await asyncio.wait_for(anext(aiter(new)), 2.5))
        await live.close()
        return len(frames)

    assert asyncio.run(through()) == 3  # the retry line, the frame it joined with, and a new one


async def frames(live: Live, tile: str, wanted: int, within: float) -> list[bytes]:
    """The first pieces of a stream, the retry line left out."""
    stream = (await live(live_request(tile))).body_iterator
    found: list[bytes] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while len(found) < wanted + 1:
                found.append(bytes(await anext(aiter(stream))))  # type: ignore[arg-type]
    await stream.aclose()  # type: ignore[attr-defined]
    await live.close()
    return found[1:]


def test_a_slow_pace_holds_up_neither_a_changed_file_nor_what_has_failed(
    platform: Up, project: Path
) -> None:
    insert(platform)

    async def through() -> None:
        endpoints = Endpoints(load(project), platform.front.client(), Cache(Versions()))
        live = Live(endpoints, Versions(), {})
        failed = await frames(live, "homes/broken#1h", 3, 8)
        assert [b"event: problem" in frame for frame in failed] == [True] * 3
        asyncio.get_running_loop().call_later(1, endpoints.adopt, load(project))
        before = endpoints.version
        shown = await frames(Live(endpoints, Versions(), {}), f"{DICE}#1h", 2, 8)
        assert (len(shown), endpoints.version) == (2, before + 1)

    asyncio.run(through())


def test_a_document_that_fails_unforeseen_is_asked_for_again(platform: Up, project: Path) -> None:
    asked: list[int] = []

    async def status() -> bytes:
        asked.append(1)
        if len(asked) == 1:
            raise ZeroDivisionError
        return b'{"n": 1}'

    async def through() -> list[bytes]:
        endpoints = Endpoints(load(project), platform.front.client(), Cache(Versions()))
        return await frames(Live(endpoints, Versions(), {"status": status}), "homes/steady", 3, 8)

    assert any(b"event: status" in frame for frame in asyncio.run(through()))


def test_a_query_that_was_given_up_is_none_that_failed(platform: Up, project: Path) -> None:
    async def through() -> None:
        endpoints = Endpoints(load(project), platform.front.client(), Cache(Versions()))
        dice = endpoints.find("homes", "dice")
        asked = asyncio.create_task(endpoints.answer(dice, {"seconds": "0.5"}, "JSON", stale=False))
        await asyncio.sleep(0.1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert endpoints.paces()["homes", "dice"] == (0, None)

    asyncio.run(through())


# The end


@dataclass
class End:
    """How a platform ended: status, seconds, and what it wrote to standard error."""

    status: int
    seconds: float
    stderr: str


def end(up: Up) -> End:
    """SIGTERM, with rows on their way."""
    up.post(json.dumps(reading()).encode())
    started = time.monotonic()
    up.process.send_signal(signal.SIGTERM)
    status = up.process.wait(20)
    return End(status, time.monotonic() - started, up.stop())


def test_everyone_is_told_goodbye(
    project: Path, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    with running(project, tmp_path / "data", free_port) as up:
        insert(up)
        viewers = [Viewer(up.port, (DICE, "homes/readings_sent")) for _ in range(5)]
        for viewer in viewers:
            viewer.wait(lambda v: v.numbers())
        ended = end(up)
        assert ended.status == 0
        assert ended.seconds < 5
        assert "Traceback" not in ended.stderr, ended.stderr
        for viewer in viewers:
            viewer.wait(lambda v: v.ended, seconds=2)
            assert viewer.events[-1].name == "bye"
            viewer.close()


@pytest.fixture(scope="module")
def ended(
    project: Path, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> End:
    """A platform's end beside a viewer who reads nothing: a laptop that was closed."""
    with (
        running(project, tmp_path_factory.mktemp("stalled") / "data", free_port) as up,
        contextlib.closing(stalled(up.port, 12_000)),
    ):
        return end(up)


def test_a_viewer_who_reads_nothing_does_not_hold_up_the_end(ended: End) -> None:
    assert ended.status == 0
    assert ended.seconds < 5


def test_a_viewer_who_reads_nothing_is_no_traceback(ended: End) -> None:
    assert "Traceback" not in ended.stderr, ended.stderr
