"""The guard's second tier: SQL written by analysts and by language models.

It may read the tables it was given, and nothing else at all. Everything is on a list: the kinds of
nodes in the statement's tree and their fields, the functions (`functions.txt`), the tables. What is
run is not the text that came but one that the engine writes from the checked tree, with a LIMIT
around it; and that text is parsed and checked again: what the engine is given has itself passed.

It must run in the empty database `EMPTY`, on a read-only connection. There a name without its
database finds nothing but what the statement itself defines, whatever we believe about its scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.engine.functions import reviewed
from penstock.engine.guard import Verdicts, check_columns, nodes, parse, rebuild, refuse
from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from penstock.engine.pool import Connection

Node = dict[str, Any]
Table = tuple[str, str]

EMPTY = "_nothing"  # a database without tables
MAX_LENGTH = 20_000  # characters of a statement
MAX_ROWS, MAX_BYTES = 10_000, 10_000_000  # of an answer
_TOO_MUCH, _BAD = 396, 36
MAX_GENERATED = 100_000_000  # rows of a table function
LIMITS = {
    "max_execution_time": "10",
    "max_memory_usage": "400000000",
    "max_result_bytes": str(MAX_BYTES),
    "max_rows_to_read": "100000000",
    "max_bytes_to_read": "10000000000",
    "max_threads": "2",
}
# What the tier itself puts before a statement that it has checked; none may be written in one.
EXPLAINS = {
    "": "",
    "plan": "EXPLAIN json = 1, indexes = 1 ",
    "pipeline": "EXPLAIN PIPELINE ",
    "estimate": "EXPLAIN ESTIMATE ",
}
# No matter who grants them: what is the engine's or ours, and where files stood for tables.
_NEVER = {"system", "information_schema", "default"}
# Each kind of node that a SELECT may have, with its fields. A newer parser's additions are refused.
# Not here: SETTINGS, FORMAT, INTO OUTFILE, COMPRESSION, STREAM, APPLY, REPLACE, COLUMNS(…), and
# names that are parameters.
_FIELDS = {
    "SelectWithUnionQuery": "union_mode list_of_modes list_of_selects is_outfile_append "
    "is_outfile_truncate is_into_outfile_with_stdout",
    "SelectQuery": "with recursive_with cte_aliases distinct select tables prewhere where group_by "
    "group_by_all group_by_with_totals group_by_with_rollup group_by_with_cube "
    "group_by_with_grouping_sets having window qualify order_by order_by_all interpolate "
    "limit_by limit_by_all limit_by_length limit_by_offset limit_length limit_offset "
    "limit_with_ties",
    "WithElement": "name subquery aliases is_materialized",
    "Subquery": "children alias",
    "ExpressionList": "children",
    "TablesInSelectQuery": "children",
    "TablesInSelectQueryElement": "table_expression table_join array_join",
    "TableExpression": "database_and_table_name table_function subquery final sample_size "
    "sample_offset column_aliases",
    "TableIdentifier": "name name_parts alias",
    "TableJoin": "kind strictness locality is_natural using_expression_list on_expression",
    "ArrayJoin": "kind expression_list",
    "SampleRatio": "numerator denominator",
    "Identifier": "name name_parts alias",
    "Literal": "value alias",
    "QueryParameter": "name param_type alias",
    "Asterisk": "transformers",
    "QualifiedAsterisk": "qualifier transformers",
    "ColumnsTransformerList": "children",
    "ColumnsExceptTransformer": "children is_strict pattern",
    "Function": "name arguments parameters alias kind is_operator is_lambda_function "
    "is_window_function window_name window_definition nulls_action",
    "WindowListElement": "name definition",
    "WindowDefinition": "parent_window_name partition_by order_by frame_is_default frame_type "
    "frame_begin_type frame_begin_offset frame_begin_preceding frame_end_type frame_end_offset "
    "frame_end_preceding",
    "OrderByElement": "expression direction nulls_direction "
    "nulls_direction_was_explicitly_specified collation with_fill fill_from fill_to fill_step "
    "fill_staleness",
    "InterpolateElement": "column expr",
}
_SHAPES = {kind: frozenset(["type", *words.split()]) for kind, words in _FIELDS.items()}
# Fields and kinds in the words of those who wrote them.
_SAID = {"settings": "SETTINGS", "settings_ast": "SETTINGS", "format_ast": "FORMAT",
         "out_file": "INTO OUTFILE", "compression": "COMPRESSION", "stream_settings": "STREAM",
         "ColumnsApplyTransformer": "APPLY", "ColumnsReplaceTransformer": "REPLACE",
         "ColumnsRegexpMatcher": "COLUMNS(…)", "ColumnsListMatcher": "COLUMNS(…)"}  # fmt: skip
_FLAGS = ("is_outfile_append", "is_outfile_truncate", "is_into_outfile_with_stdout")
_SERIES = {"numbers", "zeros", "generateseries", "generate_series"}
_ROWS = {"values", "sqlstandardvalues"}
# Their second argument may be the name of a table.
_IN = {f"{g}{n}{z}in{s}" for g in ("", "global") for n in ("", "not") for z in ("", "null")
       for s in ("", "ignoreset")}  # fmt: skip
# Their first argument is the name of an aggregate function.
_BY_NAME = {"arrayReduce", "arrayReduceInRanges", "initializeAggregation"}
_verdicts = Verdicts(256)


def check(
    connection: Connection,
    sql: str,
    tables: Collection[Table],
    *,
    database: str = "",
    limit: int = MAX_ROWS,
) -> str:
    """Check a statement and give the one to run instead, in `EMPTY` and read-only.

    Args:
        connection: idle.
        sql: one SELECT, or several joined by UNION, INTERSECT or EXCEPT.
        tables: all it may read, as (database, table).
        database: where its unqualified names are looked up among `tables`; a name that only one
            of them has is found anywhere.
        limit: most rows of the answer, at most `MAX_ROWS`.

    Raises:
        EngineError: code 497 for what is not allowed, 62 for what cannot be parsed, 36 for a
            statement of a kind that the engine cannot show as a tree.
    """
    if len(sql) > MAX_LENGTH:
        raise refuse(f"an analyst's statement has at most {MAX_LENGTH:,} characters")
    limit = max(0, min(limit, MAX_ROWS))
    granted = sorted(table for table in tables if _may_be_granted(table))
    key = Verdicts.key(str(limit), database, repr(granted), sql)
    if (verdict := _verdicts.get(key)) is not None:
        return verdict
    tree = parse(connection, sql)
    check_tree(tree, Grant.of(granted, database))
    safe = f"SELECT * FROM ({rebuild(connection, tree)}) LIMIT {limit}"
    # Only whole names now: those that were unqualified have got their databases.
    check_tree(parse(connection, safe), Grant.of(granted, None))
    _verdicts.put(key, safe)
    return safe


def explained(sql: str, how: str) -> str:
    """A checked statement as the engine is asked to explain it; itself where it is to be run.

    Args:
        sql: from `check`.
        how: a word of `EXPLAINS`; empty to run it.

    Raises:
        EngineError: code 36, there is no such word.
    """
    if how not in EXPLAINS:
        raise EngineError(
            f"Code: {_BAD}. DB::Exception: a statement is explained as one of "
            f"{', '.join(filter(None, EXPLAINS))} (BAD_ARGUMENTS)",
            code=_BAD,
        )
    return EXPLAINS[how] + sql


def check_size(body: bytes) -> None:
    """Refuse an answer of too many bytes; the engine counts a constant column as one value.

    Raises:
        EngineError: code 396, as the engine has it for such a result.
    """
    if len(body) > MAX_BYTES:
        raise EngineError(
            f"Code: {_TOO_MUCH}. DB::Exception: the answer has {len(body):,} bytes, at most "
            f"{MAX_BYTES:,} (TOO_MANY_ROWS_OR_BYTES)",
            code=_TOO_MUCH,
        )


def check_tree(tree: Node, grant: Grant) -> None:
    """Check every node of a statement, and put their databases to the names of tables.

    Args:
        tree: as the engine's parser shows it; changed in place.
        grant: what may be read.

    Raises:
        EngineError: code 497, naming what is not allowed.
    """
    if tree.get("type") != "SelectWithUnionQuery":
        raise refuse("an analyst's statement is one SELECT, with UNION, INTERSECT and EXCEPT")
    _check_shapes(tree)
    aliases = {str(node["alias"]) for node in nodes(tree) if node.get("alias")}
    for node, seen in _scopes(tree):
        kind = node.get("type")
        if kind == "Function":
            _check_function(node)
            for name in _right_of_in(node):
                grant.bind(name, seen | aliases, may_be_column=True)
        elif kind == "TableIdentifier":
            grant.bind(node, seen, may_be_column=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """The tables that a statement may read.

    Attributes:
        tables: (database, table).
        found: where an unqualified name leads.
    """

    tables: frozenset[Table]
    found: dict[str, Table]

    @classmethod
    def of(cls, tables: Collection[Table], database: str | None) -> Grant:
        """A grant.

        Args:
            tables: (database, table).
            database: comes first for unqualified names; with None such names find nothing.
        """
        names = [name for _, name in tables]
        found = {name: (home, name) for home, name in tables if names.count(name) == 1}
        found |= {name: (home, name) for home, name in tables if home == database}
        return cls(frozenset(tables), {} if database is None else found)

    def bind(self, node: Node, seen: frozenset[str] | set[str], *, may_be_column: bool) -> None:
        """Check a name that may stand for a table, and put its database to it.

        Args:
            node: an Identifier or a TableIdentifier.
            seen: names that the statement defines itself.
            may_be_column: a bare name that is no table is left to be a column.
        """
        parts = [str(part) for part in node.get("name_parts") or [node["name"]]]
        if len(parts) == 1 and parts[0] in seen:
            return
        table = self.found.get(parts[0]) if len(parts) == 1 else (parts[0], ".".join(parts[1:]))
        if table in self.tables and len(parts) < 3:  # noqa: PLR2004 - database and table
            node["name"], node["name_parts"] = ".".join(table), list(table)
        elif len(parts) > 1 or not may_be_column:
            names = ", ".join(sorted(".".join(granted) for granted in self.tables)) or "none"
            raise refuse(f"{'.'.join(parts)} is not among the tables open here: {names[:1000]}")


def _may_be_granted(table: Table) -> bool:
    database = table[0].lower()
    return database not in _NEVER and not database.startswith("_")


def _check_shapes(tree: Node) -> None:
    """Every node is of a kind on the list and has no other field than those of its kind."""
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        if not isinstance(node, dict):
            continue
        kind = str(node.get("type"))
        extra = node.keys() - _SHAPES.get(kind, frozenset())
        if extra or any(node.get(flag) for flag in _FLAGS):
            what = min(extra, default="out_file") if kind in _SHAPES else kind
            raise refuse(f"{_SAID.get(what, what)} is not part of what an analyst may write")
        if "identifier" in str(node.get("param_type", "")).lower():
            raise refuse("a parameter stands for a value, not for a name: write the name itself")
        if kind != "Literal":
            stack.extend(node.values())


def _scopes(tree: Node) -> Iterator[tuple[Node, frozenset[str]]]:
    """Every node with the names of the CTEs that are seen from it; literals have nothing inside.

    A CTE is seen from its whole SELECT and all inside it, but not from its own definition, unless
    it is recursive. What the first member of a UNION defines is seen from the others.
    """
    stack: list[tuple[object, frozenset[str]]] = [(tree, frozenset())]
    while stack:
        node, seen = stack.pop()
        if isinstance(node, list):
            stack.extend((child, seen) for child in node)
        if not isinstance(node, dict):
            continue
        yield node, seen
        kind = node.get("type")
        if kind == "SelectWithUnionQuery":
            first, *others = node["list_of_selects"]["children"]
            stack.append((first, seen))
            stack.extend((other, seen | _defined(first)) for other in others)
        elif kind == "SelectQuery":
            inside = seen | _defined(node)
            elements = node.get("with", {}).get("children", [])
            for element in elements:
                own = frozenset[str]() if node.get("recursive_with") else {element.get("name")}
                hidden = own - seen if element["type"] == "WithElement" else frozenset()
                stack.append((element, inside - hidden))
            stack.extend((v, inside) for k, v in node.items() if k != "with")
        elif kind == "TableExpression" and "table_function" in node:
            _check_table_function(node["table_function"])
            stack.extend((v, seen) for k, v in node.items() if k != "table_function")
            stack.extend((v, seen) for v in node["table_function"].values())
        elif kind != "Literal":
            stack.extend((value, seen) for value in node.values())


def _defined(select: Node) -> frozenset[str]:
    """Names of the CTEs of a SELECT, or of the first one of a UNION."""
    while select["type"] == "SelectWithUnionQuery":
        select = select["list_of_selects"]["children"][0]
    elements = select.get("with", {}).get("children", [])
    return frozenset(e["name"] for e in elements if e["type"] == "WithElement")


def _arguments(function: Node) -> list[Node]:
    return list(function.get("arguments", {}).get("children", []))


def _right_of_in(function: Node) -> list[Node]:
    if function["name"].lower() not in _IN:
        return []
    return [a for a in _arguments(function)[1:] if a.get("type") == "Identifier"]


def _check_function(node: Node) -> None:
    known, name, arguments = reviewed(), str(node["name"]), _arguments(node)
    if not known.opens(name):
        why = known.closed.get(name, "is not among the functions that were looked at")
        raise refuse(f"the function {name} is closed to analysts: it {why}")
    if name in _BY_NAME:
        given = arguments[0].get("value", {}).get("value") if arguments else None
        if not isinstance(given, str) or not known.aggregates(given.partition("(")[0].strip()):
            raise refuse(f"{name} takes the name of an aggregate function, written as a text")
    if "l" in (known.traits(name) or ""):
        # The engine takes a name for a function here: arrayMap(file, …).
        for place, argument in enumerate(arguments):
            given = str(argument.get("name")) if argument.get("type") == "Identifier" else ""
            lambda_place = place == 0 and len(arguments) > 1
            if given and (given in known.closed or (lambda_place and not known.opens(given))):
                raise refuse(f"{name}({given}, …): write x -> …, and a column with its table")


def _check_table_function(node: Node) -> None:
    name, arguments = str(node["name"]).lower(), _arguments(node)
    if name in _ROWS:
        if name == "values":
            check_columns(node)
        return
    if name not in _SERIES:
        raise refuse(f"the table function {node['name']} is closed to analysts")
    numbers = [a.get("value", {}).get("value") for a in arguments if a.get("type") == "Literal"]
    if not numbers or len(numbers) < len(arguments):
        raise refuse(f"{node['name']} takes numbers, written there")
    if any(not isinstance(n, int | float) or abs(n) > MAX_GENERATED for n in numbers):
        raise refuse(f"{node['name']} takes numbers up to {MAX_GENERATED:,}")
