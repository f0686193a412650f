"""Where in a typed statement a message of the engine points."""

from __future__ import annotations

import pytest

from penstock.serve.mistakes import Place, locate


@pytest.mark.parametrize(
    ("said", "sql", "place"),
    [
        ("Syntax error: failed at position 8 (FRM): FRM x.", "SELECT FRM x", Place(1, 8, 3)),
        (
            "Syntax error: failed at position 9 (wat) (line 2, col 2): wat.",
            "/* é */\n-- two\nSELECT\n wat",
            Place(4, 2, 3),
        ),
        ("failed at position 11 (end of query): .", "SELECT 1 +", Place(1, 11, 1)),
        ("failed at position 8 ((): (.", "SELECT (", Place(1, 8, 1)),
        ("Unknown expression identifier `x`. In scope", "SELECT max(a),\n x", Place(2, 2, 1)),
        ("Unknown identifier `t.x`", "SELECT 'x', t.x FROM t", Place(1, 13, 3)),
        ("a.b is not among the tables open here: c.d", "SELECT 1 FROM a.b", Place(1, 15, 3)),
        ("the function file is closed to analysts", "SELECT file('a')", Place(1, 8, 4)),
        ("Memory limit exceeded", "SELECT 1", None),
        ("Unknown identifier `gone`", "SELECT 1", None),
    ],
)
def test_a_message_points_at_its_place(said: str, sql: str, place: Place | None) -> None:
    assert locate(said, sql) == place
