"""The guard's second tier: what analysts and models get, and what they never get.

Proved as for visitors, by canaries; and by three hundred honest questions, each answered as if
there were no guard.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.contract.attacks import ATTACKS, CALLS, ELSEWHERE, MUTATIONS, TABLES, disguised
from tests.contract.canaries import fill, watched
from tests.contract.conftest import EXAMPLES

from penstock.engine.client import Address, Client
from penstock.engine.functions import reviewed
from penstock.engine.questions import Question
from penstock.errors import EngineError
from penstock.project import lexer, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.canaries import Canaries
    from tests.contract.conftest import Answer, Front

GRANTED = [("homes", t) for t in ("readings", "city_minute", "home_latest", "hourly_stats")]
QUESTIONS = [
    line
    for line in Path(__file__).with_name("sql").joinpath("analytics.sql").read_text().splitlines()
    if line and not line.startswith("--")
]
VALUES = {"param_n": "3", "param_s": "it's; -- \\N", "param_a": "[1,2]", "param_d": "2026-01-02"}
# Values of the parameters that some attacks take.
NAMES = {"param_d": "hidden", "param_t": "t", "param_h": "hidden.t", "param_f": "file",
         "param_c": "home_id", "param_n": "1000000000000"}  # fmt: skip


@pytest.fixture(scope="module")
def canaries(engine: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    with watched(engine, tmp_path_factory.mktemp("canary")) as found:
        engine.do(
            "CREATE DATABASE hidden",
            "CREATE TABLE hidden.t (s String) ENGINE = MergeTree ORDER BY s",
            f"INSERT INTO hidden.t VALUES ('{found.secret}')",
            "CREATE VIEW hidden.v AS SELECT * FROM hidden.t",
            "CREATE DICTIONARY hidden.d (n UInt64, s String) PRIMARY KEY n "
            "SOURCE(CLICKHOUSE(QUERY 'SELECT toUInt64(1), s FROM hidden.t')) "
            "LAYOUT(FLAT()) LIFETIME(0)",
            "CREATE FUNCTION peek AS path -> file(path)",
        )
        yield found
        engine.do("DROP FUNCTION peek", "DROP DATABASE hidden SYNC")


@pytest.fixture(scope="module")
def homes(engine: Front) -> Iterator[Front]:
    """The example's silver and gold with two days of twelve homes, the same in every run."""
    engine.do("CREATE DATABASE homes")
    for relation in load(EXAMPLES).domain("homes").relations:
        for statement in relation.statements:
            made = engine.ask(statement.sql, key=True, database="homes")
            assert made.status == 200, made
    engine.do(
        """INSERT INTO homes.readings
        SELECT toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMinute(10 * intDiv(n, 12)),
            n % 12 + 1, ['north', 'south', 'west'][n % 3 + 1],
            if(h % 17 = 0, NULL, 18 + h % 700 / 100), if(h % 19 = 0, NULL, h % 20011 / 1000),
            220 + h % 201 / 10, h % 4001 / 1000, 'test', 1,
            toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + toIntervalMinute(10 * intDiv(n, 12) + 1)
        FROM (SELECT number AS n, cityHash64(number) AS h FROM numbers(12 * 6 * 48))"""
    )
    yield engine
    engine.do("DROP DATABASE homes SYNC")


def asked(
    front: Front, sql: str, *, database: str = "homes", limit: int = 10_000, **words: str
) -> Answer:
    """An analyst's statement, in the name of the key as the platform sends it."""
    headers = {
        "X-Penstock-Tables": ",".join(f"{home}.{table}" for home, table in GRANTED),
        "X-Penstock-Limit": str(limit),
    }
    return front.ask(sql, key=True, headers=headers, database=database, **words)


def test_the_lists_are_long_enough() -> None:
    assert len(set(QUESTIONS)) >= 300
    assert len(set(ATTACKS)) >= 300
    assert len({MUTATIONS[way](sql) for sql, ways in disguised() for way in ways}) >= 1400


@pytest.mark.parametrize(("attack", "ways"), list(disguised()))
def test_an_attack_in_disguises(
    canaries: Canaries, homes: Front, attack: str, ways: list[str]
) -> None:
    columns = f"a String, b String ALIAS file('{canaries.file}')"
    for way in ways:
        sql = MUTATIONS[way](fill(canaries, attack))
        answer = asked(homes, sql, param_s=columns, **NAMES)
        canaries.check(answer)
        assert answer.status != 200, f"{sql}\n{answer}"
        assert answer.code, answer


@pytest.mark.parametrize("attack", ELSEWHERE)
def test_a_bare_name_finds_no_table_of_the_database(
    canaries: Canaries, homes: Front, attack: str
) -> None:
    for way in ("as it is", "subquery", "CTE", "union", "comments", "backticks"):
        answer = asked(homes, MUTATIONS[way](attack), database="hidden")
        canaries.check(answer)
        assert answer.status != 200, answer


def test_without_the_tier_the_same_attacks_do_their_work(canaries: Canaries, homes: Front) -> None:
    """The canaries would have told: with the key and without the tier these give the secret."""
    columns = f"a String, b String ALIAS file('{canaries.file}')"
    caught = 0
    for database, attacks in (("homes", [*TABLES, *CALLS]), ("hidden", ELSEWHERE)):
        for sql in (attack for attack in attacks if "sleep" not in attack):
            words = {"database": database, "param_s": columns, **NAMES}
            answer = homes.ask(fill(canaries, sql), key=True, **words)
            try:
                canaries.check(answer)
            except AssertionError:
                caught += 1
    canaries.check()
    assert caught >= 100


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_honest_question_is_answered_as_without_the_guard(homes: Front, question: str) -> None:
    words = {"default_format": "JSONCompact", "database": "homes", **VALUES}
    plain = homes.ask(question, key=True, **words)
    assert plain.status == 200, plain
    guarded = asked(homes, question, **words)
    assert guarded.status == 200, guarded
    assert parts(guarded, question) == parts(plain, question)


def parts(answer: Answer, question: str) -> list[Any]:
    """What of an answer must be equal; the order of rows only where the question asks for one."""
    document = msgspec.json.decode(answer.body)
    tokens = list(lexer.code(question))
    ordered = any(
        token.upper == "ORDER" and depth == 0
        for token, depth in zip(tokens, lexer.depths(tokens), strict=True)
    )
    rows = document["data"] if ordered else sorted(document["data"], key=repr)
    return [document["meta"], rows, document.get("totals")]


def test_an_answer_is_cut_at_its_limit(homes: Front) -> None:
    everything = "SELECT number FROM numbers(1000000)"
    assert len(asked(homes, everything).text.splitlines()) == 10_000
    assert asked(homes, everything, limit=1_000_000).text.count("\n") == 10_000
    assert asked(homes, everything, limit=3).text == "0\n1\n2\n"
    assert asked(homes, f"{everything} LIMIT 2", limit=3).text == "0\n1\n"
    assert asked(homes, f"SELECT 1 /* {'x' * 20_000} */").code == 497
    closing = "SELECT 1) LIMIT 5 UNION ALL SELECT * FROM (SELECT number FROM numbers(9)"
    assert asked(homes, closing, limit=3).code == 62


def test_work_is_bounded(homes: Front) -> None:
    twice = "SELECT sum(number) FROM numbers(1e8)"
    assert asked(homes, f"{twice} UNION ALL {twice}").code == 158
    assert asked(homes, "SELECT groupArray(number) FROM numbers(1e8)").code == 241
    wide = "SELECT repeat('x', 10000) FROM numbers(10000)"
    assert asked(homes, wide, default_format="JSON").code == 396
    assert asked(homes, "SELECT 1", max_memory_usage="0").code == 164
    assert asked(homes, "SELECT 1").text == "1\n", "the engine is gone"


def test_tables_are_named_exactly(homes: Front) -> None:
    for granted in ("", "homes.home_latest", "other.readings"):
        headers = {"X-Penstock-Tables": granted}
        answer = homes.ask("SELECT 1 FROM homes.readings", key=True, headers=headers)
        assert answer.code == 497, answer
    for granted in ("readings", "homes.", "homes.readings; x", "homes.a.b", "*", "homes.*"):
        headers = {"X-Penstock-Tables": granted}
        assert homes.ask("SELECT 1", key=True, headers=headers).code == 36
    for never in ("system.one", "information_schema.tables", "default.t", "_staging.t"):
        headers = {"X-Penstock-Tables": never}
        answer = homes.ask(f"SELECT * FROM {never}", key=True, headers=headers)
        assert answer.code == 497, answer


def test_a_verdict_is_for_those_tables_only(homes: Front) -> None:
    sql = "SELECT count() > 0 FROM home_latest"
    assert asked(homes, sql).text == asked(homes, sql).text == "1\n"
    headers = {"X-Penstock-Tables": "homes.readings"}
    assert homes.ask(sql, key=True, headers=headers, database="homes").code == 497
    elsewhere = {"X-Penstock-Tables": "homes.home_latest,hidden.home_latest"}
    assert homes.ask(sql, key=True, headers=elsewhere).code == 497, "which of the two is open"


def test_the_client_asks_for_analysts(homes: Front) -> None:
    client = homes.client()
    try:
        sql = "SELECT home_id % {n:UInt8} AS x FROM home_latest ORDER BY home_id"
        rows = client.analyse(Question(sql, GRANTED, "CSV", params={"n": "5"}, limit=3))
        assert rows == b"1\n2\n3\n"
        with pytest.raises(EngineError, match=r"canary\.t is not among the tables") as refusal:
            client.analyse(Question("SELECT * FROM canary.t", GRANTED))
        assert refusal.value.code == 497
        with pytest.raises(EngineError, match="one SELECT"):
            client.analyse(Question("DROP TABLE homes.readings", GRANTED))
    finally:
        client.close()


def test_the_client_sends_nothing_to_a_server_without_the_tier(homes: Front) -> None:
    class Plain(Client):
        """As against a server that ignores headers it does not know."""

        def _fetch(self, sql: str, params: Any, headers: Any, settings: Any = None) -> bytes:
            known = {k: v for k, v in headers.items() if not k.startswith("X-Penstock")}
            return super()._fetch(sql, params, known, settings)

    client = Plain(Address("127.0.0.1", homes.port, "penstock", homes.key))
    try:
        with pytest.raises(EngineError, match="no guard for the SQL of analysts"):
            client.analyse(Question("CREATE DATABASE evil_plain", GRANTED))
        assert homes.ask("EXISTS DATABASE evil_plain").text == "0\n"
    finally:
        client.close()


def test_every_function_of_the_engine_has_been_looked_at() -> None:
    done = subprocess.run(
        [sys.executable, "tools/functions.py"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nsee tools/functions.py"
    assert len(reviewed().open) > 1500
    assert not reviewed().open.keys() & reviewed().closed.keys()
