from __future__ import annotations

import pytest

from penstock.project import lexer
from penstock.project.reads import line_of, tables_read

QUERIES = [
    ("SELECT 1", ()),
    ("SELECT * FROM a", ("a",)),
    ("SELECT * FROM a AS x JOIN b AS y ON x.i = y.i", ("a", "b")),
    ("SELECT * FROM db.a", ("db.a",)),
    ("WITH c AS (SELECT * FROM a) SELECT * FROM c", ("a",)),
    ("WITH a AS (SELECT * FROM a) SELECT * FROM a", ("a",)),
    ("WITH now() AS n SELECT n FROM a", ("a",)),
    ("SELECT * FROM (SELECT * FROM a) WHERE i IN (SELECT i FROM b)", ("a", "b")),
    ("SELECT count() FROM numbers(10)", ()),
    ("SELECT extract(s, 'x'), trim(BOTH 'x' FROM s) FROM a", ("a",)),
    ("SELECT dictGet('d', 'x', id) FROM a", ("a", "d")),
    ("SELECT * FROM a FINAL PREWHERE x ARRAY JOIN y", ("a",)),
    ("SELECT avg(x) FROM a WHERE h = {h:UInt32} GROUP BY ALL", ("a",)),
    ("SELECT * FROM a UNION ALL SELECT * FROM b", ("a", "b")),
]


@pytest.mark.parametrize(("sql", "expected"), QUERIES)
def test_tables_of_a_query(sql: str, expected: tuple[str, ...]) -> None:
    assert set(tables_read(sql, list(lexer.code(sql)))) == set(expected)


@pytest.mark.parametrize(("sql", "expected"), [q for q in QUERIES if "WITH a" not in q[0]])
def test_tokens_alone_give_the_same(sql: str, expected: tuple[str, ...]) -> None:
    assert set(tables_read("", list(lexer.code(sql)))) == set(expected)


def test_text_no_parser_knows_still_gives_its_tables() -> None:
    sql = "SELECT a ?? ::: FROM x WHERE ((("
    assert tables_read(sql, list(lexer.code(sql))) == ("x",)


def test_a_dictionary_reads_the_table_its_source_names() -> None:
    for source in ("TABLE 'homes'", "QUERY 'SELECT id FROM homes'"):
        sql = f"CREATE DICTIONARY d (id UInt8) SOURCE(CLICKHOUSE({source}))"
        assert tables_read("", list(lexer.code(sql))) == ("homes",)


def test_the_line_is_that_of_the_table_not_of_a_column_of_its_name() -> None:
    found = list(lexer.code("SELECT a,\n a.b\nFROM\n a"))
    assert line_of("a", found) == 4
