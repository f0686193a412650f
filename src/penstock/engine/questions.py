"""What an analyst or a language model asks, and how it goes to the guard's second tier."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from penstock.engine.analysts import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Explanation = Literal["plan", "pipeline", "estimate"]
EXPLANATIONS: Final[tuple[Explanation, ...]] = get_args(Explanation)


@dataclass(frozen=True, slots=True)
class Question:
    """One SELECT of somebody whom we do not trust with more, and how its answer is wanted.

    Attributes:
        sql: one SELECT, with UNION, INTERSECT and EXCEPT; without FORMAT and SETTINGS.
        tables: all it may read, as (database, table): silver and gold, never bronze.
        form: ClickHouse format of the answer.
        database: where its unqualified names are looked up among `tables`.
        params: values of `{name:Type}`, as text.
        limit: most rows of the answer, at most 10,000.
        settings: for the shape of the answer, such as `output_format_json_quote_decimals`.
        explain: the statement is explained in place of being run; empty: it is run.
        query_id: by which it can be asked after and ended; empty where nobody will.
    """

    sql: str
    tables: Collection[tuple[str, str]]
    form: str = "JSONCompact"
    database: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    limit: int = MAX_ROWS
    settings: Mapping[str, str] = field(default_factory=dict)
    explain: Explanation | Literal[""] = ""
    query_id: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What makes the front send it through the tier."""
        said = {
            "X-Penstock-Tables": ",".join(sorted(".".join(table) for table in self.tables)),
            "X-Penstock-Limit": str(self.limit),
        }
        return said | ({"X-Penstock-Explain": self.explain} if self.explain else {})
