"""Conservation: each gold that says what it conserves equals the same query over silver."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple

from penstock.errors import EngineError
from penstock.layers.statements import fill
from penstock.project import lexer
from penstock.store.backfills import Backfills

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock.engine.client import Client
    from penstock.layers.landing import Lander
    from penstock.project.objects import Project, Relation
    from penstock.store.ledger import Ledger

_FLOAT = 1e-9  # relative: sums of floats depend on the order of adding
_IS_FLOAT = re.compile(r"(?:Nullable\()?(?:BFloat16|Float32|Float64)\)?")
_EXACT = "toString(anyIf(_amount, _held)) != toString(anyIf(_amount, NOT _held))"
_NEAR = (
    "abs(anyIf(_amount, _held) - anyIf(_amount, NOT _held))"
    f" > {_FLOAT} * greatest(abs(anyIf(_amount, _held)), abs(anyIf(_amount, NOT _held)))"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where counts differ: the relation, what was expected, what is there."""

    relation: str
    where: str
    expected: str
    found: str


@dataclass(slots=True)
class Comparison:
    """What became of comparing a silver table with its golds.

    Attributes:
        values: of gold, by `gold.key`, as text.
        differences: where gold is not what silver says.
        uncompared: what could not be compared, each with the reason.
    """

    values: dict[str, str] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    uncompared: list[str] = field(default_factory=list)


class Value(NamedTuple):
    """One number or text of the engine, with its type."""

    text: str
    type: str

    def equals(self, other: Value) -> bool:
        """Floats within 1e-9 of each other, everything else exactly; the types decide."""
        if self.text == other.text:
            return True
        if _IS_FLOAT.fullmatch(self.type) or _IS_FLOAT.fullmatch(other.type):
            return math.isclose(float(self.text), float(other.text), rel_tol=_FLOAT)
        if "String" in self.type or "String" in other.type:
            return False
        try:
            return Decimal(self.text) == Decimal(other.text)  # 5 is 5.000
        except InvalidOperation:
            return False


def compare(
    project: Project, landers: Sequence[Lander], client: Client, ledger: Ledger
) -> Comparison:
    """Compare one silver table with every gold below it that says what it conserves.

    Args:
        project: whose golds they are.
        landers: of all sources that land in this silver; no batch may be landed meanwhile.
        client: to the engine.
        ledger: knows what silver has let go by age.
    """
    target = landers[0].target
    silver = next(
        r for r in project.relations() if (r.database, r.name) == (target.database, target.silver)
    )
    whole = not any(_oldest_expired(lander, ledger) for lander in landers)
    ever = None if whole else _ever_good(landers, ledger)
    result = Comparison()
    filling = {found.relation for found in Backfills(ledger.store).unfinished()}
    for gold in project.downstream(silver):
        if f"{gold.database}.{gold.name}" in filling:
            result.uncompared.append(f"{gold.name} is being filled anew")
            continue
        conserves, wanted = (gold.header.values.get(k) for k in ("conserves", "from_silver"))
        if not (isinstance(conserves, dict) and isinstance(wanted, dict)):
            continue
        held, expected = _named(client, gold, conserves), _named(client, silver, wanted)
        for key, value in held.items():
            result.values[f"{gold.name}.{key}"] = value.text
            should = expected.get(key, Value("", "String"))
            if not whole:
                if ever is None or "".join(str(wanted.get(key)).split()) != "count()":
                    result.uncompared.append(
                        f"{gold.name} {key}: {silver.name} has let rows go by age"
                    )
                    continue
                should = Value(str(ever), "UInt64")
            if not should.equals(value):
                where = f"{key}, {_first(client, gold, conserves[key], value) if whole else 'all'}"
                result.differences.append(Difference(gold.name, where, should.text, value.text))
    return result


def _oldest_expired(lander: Lander, ledger: Ledger) -> bool:
    source = lander.source
    stream = ledger.stream(source.domain, source.name, source.incarnation)
    return any(
        lander.target.expiry.silver(batch.ingested_ms)
        for batch in ledger.batches(stream.id, limit=1)
    )


def _ever_good(landers: Sequence[Lander], ledger: Ledger) -> int | None:
    """Rows that ever came to a silver, by the ledger; None where sources have left the project."""
    here = {(lander.source.domain, lander.source.name) for lander in landers}
    domains = {domain for domain, _ in here}
    totals = ledger.totals()
    if any(key not in here and key[0] in domains and t.rows for key, t in totals.items()):
        return None
    open_rows = 0
    for lander in landers:
        source = lander.source
        stream = ledger.stream(source.domain, source.name, source.incarnation)
        open_rows += sum(lander.counts(i).silver for i in ledger.open_intents(stream.id))
    return open_rows + sum(totals[key].good for key in here if key in totals)


def values(
    client: Client, database: str, place: str, expressions: Sequence[str], filters: str = "{}"
) -> list[Value]:
    """Expressions over all rows of a table or a query, each with its type.

    Args:
        client: to the engine.
        database: where unqualified names are looked up.
        place: what stands after FROM.
        expressions: from the project's own files, like every statement that is applied.
        filters: of `additional_table_filters`.
    """
    if not expressions:
        return []
    # Plain numbers name the results, so that no alias stands in for a column of the same name.
    columns = ", ".join(
        f"ifNull(toString({expression}), '0') AS c{n}, toTypeName({expression}) AS t{n}"
        for n, expression in enumerate(expressions)
    )
    sql = f"SELECT {columns} FROM {place} SETTINGS additional_table_filters = {filters}"  # noqa: S608
    row = client.rows(sql, database=database)[0]
    return [Value(str(row[f"c{n}"]), row[f"t{n}"]) for n in range(len(expressions))]


def _named(client: Client, relation: Relation, wanted: Mapping[str, str]) -> dict[str, Value]:
    found = values(client, relation.database, f"`{relation.name}`", tuple(wanted.values()))
    return dict(zip(wanted, found, strict=True))


def _first(client: Client, gold: Relation, expression: str, value: Value) -> str:
    """Name the first key of a gold at which a value differs from what its views give."""
    key = lexer.split(_untupled(gold), ",")
    names = [lexer.plain(part) for part in key]
    if not names or not gold.views:
        return "all rows"
    statement = fill(
        "first_difference",
        names="[" + ", ".join(f"toString(_key.{n})" for n in range(1, len(names) + 1)) + "]",
        key=f"tuple({', '.join(names)})",
        value=expression,
        gold=f"`{gold.name}`",
        views="\nUNION ALL\n".join(view.select + "\n" for view in gold.views),
        differs=_NEAR if _IS_FLOAT.fullmatch(value.type) else _EXACT,
    )
    try:
        found = client.rows(statement, database=gold.database)
    except EngineError as error:  # too much for the memory, say: the difference itself stands
        return f"all rows (which one first could not be told: {error.what[:200]})"
    if not found:
        return "all rows"
    pairs = zip(names, found[0]["_place"], strict=True)
    return "first at " + ", ".join(f"{name} {place}" for name, place in pairs)


def _untupled(gold: Relation) -> list[lexer.Token]:
    """The columns of a table's ORDER BY, without the brackets of a tuple."""
    found = list(gold.table.clauses.get("ORDER BY", ())) if gold.table else []
    if found and found[0].value == "tuple":
        found = found[1:]
    return lexer.unwrapped(found)
