"""KILL QUERY by the name that a client gave its own statement."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.contract.conftest import Answer, Front
from tests.contract.test_front import SLOW, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

VISITORS_SLOW = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(cityHash64(number))"


@contextmanager
def asked(
    front: Front, sql: str, name: str, *, key: bool = True, times: int = 1
) -> Iterator[list[Answer]]:
    """Statements that run under a name meanwhile; the list has their answers after the block."""
    said: list[Answer] = []
    threads = [
        threading.Thread(
            target=lambda: said.append(
                front.ask(sql, key=key, query_id=name, default_format="JSON")
            )
        )
        for _ in range(times)
    ]
    for thread in threads:
        thread.start()
    yield said
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("mode", "status"), [("", "waiting"), (" ASYNC", "waiting"), (" SYNC", "finished")]
)
def test_it_ends_and_is_not_to_be_sent_again(engine: Front, mode: str, status: str) -> None:
    with asked(engine, SLOW, "mine-1") as said:
        until(lambda: running(engine) == 1)
        answer = engine.ask(
            f"KILL QUERY WHERE query_id = 'mine-1'{mode} FORMAT TabSeparatedWithNames", key=True
        )
        if mode == " SYNC":
            assert running(engine) == 0
    head, row = answer.text.splitlines()
    assert head == "kill_status\tquery_id\tuser\tquery"
    assert row == f"{status}\tmine-1\tdefault\t{SLOW}"
    (ended,) = said
    assert (ended.status, ended.code) == (500, 394)  # a driver sends 503 again
    assert "QUERY_WAS_CANCELLED" in ended.text


def test_a_log_comment_of_the_statement_is_no_hindrance(engine: Front) -> None:
    with asked(engine, f"{SLOW}, log_comment = 'dbt'", "mine-2") as said:
        until(lambda: running(engine) == 1)
        engine.do("KILL QUERY WHERE query_id = {q:String} SYNC".replace("{q:String}", "'mine-2'"))
    assert said[0].code == 394


def test_a_name_may_be_a_parameter_and_there_may_be_several(engine: Front) -> None:
    with asked(engine, SLOW, "mine-3") as third, asked(engine, SLOW, "mine-4") as fourth:
        until(lambda: running(engine) == 2)
        sql = "kill query where query_id in ({q:String}, 'mine-4', 'nobody') sync;"
        answer = engine.ask(sql, key=True, param_q="mine-3")
        assert {line.split("\t")[1] for line in answer.text.splitlines()} == {"mine-3", "mine-4"}
    assert (third[0].code, fourth[0].code) == (394, 394)


def test_it_comes_through_while_every_connection_is_busy(engine: Front) -> None:
    """Also to those that still wait for one."""
    with asked(engine, SLOW, "crowd", times=9) as said:
        until(lambda: engine.ask("SELECT 1").status == 200 and len(_test(engine, "crowd")) == 9)
        answer = engine.ask("KILL QUERY WHERE query_id = 'crowd' SYNC", key=True)
        assert len(answer.text.splitlines()) == 9
    assert {(one.status, one.code) for one in said} == {(500, 394)}
    assert running(engine) == 0


def _test(engine: Front, name: str) -> list[str]:
    answer = engine.ask(f"KILL QUERY WHERE query_id = '{name}' TEST", key=True)
    assert answer.status == 200, answer
    return answer.text.splitlines()


def test_nobody_else_is_ended(engine: Front) -> None:
    """Not the statement that comes next on the same connection either."""
    for number in range(40):
        with asked(engine, "SELECT sleep(0.01)", f"short-{number}"):
            engine.ask(f"KILL QUERY WHERE query_id = 'short-{number}'", key=True)
        answer = engine.ask("SELECT sum(number) FROM numbers(100)", key=True)
        assert answer.text == "4950\n"


def test_an_id_of_the_engine_is_the_engines(engine: Front) -> None:
    with asked(engine, SLOW, "mine-5") as said:
        until(lambda: running(engine) == 1)
        found = engine.ask(
            "SELECT query_id FROM system.processes WHERE query LIKE '%sleepEachRow(0.01)%'"
            " AND query NOT LIKE '%system.processes%'",
            key=True,
        ).text.strip()
        answer = engine.ask(f"KILL QUERY WHERE query_id = '{found}' SYNC", key=True)
        assert answer.text.split("\t")[:3] == ["finished", found, "default"]
    assert said[0].code == 394


def test_a_visitor_ends_what_visitors_sent_and_nothing_else(engine: Front) -> None:
    with (
        asked(engine, SLOW, "keyed") as said,
        asked(engine, VISITORS_SLOW, "open", key=False) as own,
    ):
        until(lambda: running(engine) == 1)
        refused = engine.ask("KILL QUERY WHERE query_id = 'keyed'")
        assert (refused.status, refused.code) == (403, 497)
        until(lambda: engine.ask("KILL QUERY WHERE query_id = 'open' SYNC").text != "")
        for sql in (
            "KILL QUERY WHERE 1",
            "KILL QUERY WHERE user = 'default'",
            "KILL MUTATION WHERE 1",
        ):
            assert engine.ask(sql).code == 164
        nobody = engine.ask("KILL QUERY WHERE query_id = 'nobody'")
        assert (nobody.status, nobody.text) == (200, "")
        assert running(engine) == 1
        engine.do("KILL QUERY WHERE query_id = 'keyed'")
    assert (own[0].code, said[0].code) == (394, 394)
