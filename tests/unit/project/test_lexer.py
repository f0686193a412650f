from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.project import lexer


def words(text: str) -> list[str]:
    return [t.text for t in lexer.code(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a -- b; c\nd", ["a", "d"]),
        ("a /* ; ' */ b", ["a", "b"]),
        ("a # remark\nb", ["a", "b"]),
        ("'a;b' c", ["'a;b'", "c"]),
        (r"'it\'s;' c", [r"'it\'s;'", "c"]),
        ("'it''s;' c", ["'it''s;'", "c"]),
        ("`a;b`.c", ["`a;b`", ".", "c"]),
        ("$x$ ; ' $x$ c", ["$x$ ; ' $x$", "c"]),
        ("{id:Array(UInt8)}+1", ["{id:Array(UInt8)}", "+", "1"]),
        ("{'a':1}", ["{", "'a'", ":", "1", "}"]),
        ("1e-3::Float64", ["1e-3", "::", "Float64"]),
        ("t.1", ["t", ".", "1"]),
    ],
)
def test_tokens_keep_quotes_and_comments_whole(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_values_lose_quotes_and_escapes() -> None:
    values = [t.value for t in lexer.code(r"""'a\'b' 'c''d' `e``f` "g" $h$ i $h$""")]
    assert values == ["a'b", "c'd", "e`f", "g", " i "]


def test_lines_count_through_comments_and_strings() -> None:
    found = list(lexer.code("/* 1\n2 */ a\n'x\ny' b\n\nc"))
    assert [(t.text, t.line) for t in found] == [("a", 2), ("'x\ny'", 3), ("b", 4), ("c", 6)]


@given(st.text(alphabet="ab'`\"/*-;\n (){}:$", max_size=60))
def test_any_text_is_cut_without_loss(text: str) -> None:
    found = list(lexer.tokens(text))
    at = 0
    for token in found:
        assert text[at : token.start].strip() == ""
        assert text[token.start : token.end] == token.text
        assert token.line == text.count("\n", 0, token.start) + 1
        at = token.end
    assert text[at:].strip() == ""


@pytest.mark.parametrize("text", ["select 'a", "select `a", 'select "a', "/* a"])
def test_what_is_never_closed_is_named(text: str) -> None:
    assert lexer.unclosed(list(lexer.tokens(text))) is not None


def test_two_layouts_of_one_text_are_plainly_the_same() -> None:
    one = lexer.plain(list(lexer.code("toDateTime( `ts` )  + INTERVAL 7\n DAY")))
    assert one == lexer.plain(list(lexer.code("toDateTime(ts)+INTERVAL 7 DAY")))


def test_arguments_are_split_outside_of_brackets() -> None:
    found = list(lexer.code("f(a, g(b, c), [d, e])"))
    assert [lexer.plain(a) for a in lexer.arguments(found, 0)] == ["a", "g(b,c)", "[d,e]"]


def test_parameters_give_name_and_type() -> None:
    found = list(lexer.code("{ ids : Array( UInt8 ) }"))
    assert found[0].parameter == ("ids", "Array( UInt8 )")
