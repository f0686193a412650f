"""Who may do what at the front: the small guard.

A client without the key may look and not touch: its statement is parsed by the engine's own
parser through a bound parameter (nothing is built around user text) and every node of the tree
must be on a list. The key opens everything but programs: an `Executable` engine or a dictionary
over a command would run a shell, and grants do not stop that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.engine.pool import Connection

_DENIED, _READONLY, _NO_TREE = 497, 164, 36
MAX_LENGTH = 100_000  # characters of a statement without the key

_READS = {"SelectWithUnionQuery", "SelectIntersectExceptQuery", "ShowTablesQuery",
          "ShowColumnsQuery", "ExplainQuery"}  # fmt: skip
# Statements that the engine parses and cannot show as a tree: only these exact shapes.
_NAME = r"(?:`[A-Za-z_]\w*`|[A-Za-z_]\w*)"
_SIMPLE = re.compile(
    r"\s*(?:(?:DESCRIBE|DESC|EXISTS)(?:\s+TABLE)?|EXISTS\s+(?:DATABASE|VIEW|DICTIONARY)"
    r"|SHOW\s+CREATE(?:\s+(?:TABLE|VIEW|DICTIONARY|DATABASE))?)"
    rf"\s+(?:{_NAME}\.)?{_NAME}\s*(?:FORMAT\s+[A-Za-z]+\s*)?;?\s*",
    re.IGNORECASE,
)
_TABLE_FUNCTIONS = {"numbers", "numbers_mt", "zeros", "generateseries", "generate_series", "values"}
_SYSTEM_TABLES = {
    "one", "numbers", "numbers_mt", "zeros", "databases", "tables", "columns", "functions",
    "formats", "settings", "data_type_families", "table_engines", "parts", "parts_columns",
    "merges", "mutations", "dictionaries", "keywords", "build_options", "contributors",
    "time_zones", "collations", "table_functions", "aggregate_function_combinators",
    "data_skipping_indices", "projections", "events", "metrics", "detached_parts", "processes",
    "licenses", "macros", "clusters", "documentation", "completions",
}  # fmt: skip
# Functions that reach outside the data, as a call, as an argument or in APPLY.
_FUNCTIONS = re.compile(
    r"file|filesystem\w*|s3\w*|url\w*reader|ai[A-Z]\w*|getMacro|getServer\w*|getOSKernelVersion|"
    r"sleep\w*|zookeeper\w*|addressTo\w*|demangle|trap|logTrace|flameGraph|reverseDNSQuery|"
    r"catboost\w*|naiveBayes\w*|structureTo\w*|showCertificate|executable\w*|python|eval|joinGet\w*|"
    r"encrypt|decrypt|tryDecrypt|aes_\w*|connectionId|initialQuery\w*|transaction\w*|getHostName\w*",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROGRAM = re.compile(
    r"\b(?:ENGINE\s*=?\s*(?:Executable|ExecutablePool|URL|File|S3|HDFS|MySQL|PostgreSQL|MongoDB|"
    r"Redis|Kafka|RabbitMQ|NATS|SQLite|JDBC|ODBC|Distributed)\b"
    r"|SOURCE\s*\(\s*(?!CLICKHOUSE\b|NULL\b)[A-Za-z_]+"
    r"|SOURCE\s*\(\s*CLICKHOUSE\s*\([^)]*\b(?:HOST|PORT|USER|PASSWORD|SECURE)\b)",
    re.IGNORECASE,
)
_CREATES = re.compile(r"\b(?:CREATE|ATTACH|REPLACE|ALTER)\b", re.IGNORECASE)
# What a client without the key may set: the shape of an answer, not its reach.
GUEST_SETTINGS = re.compile(
    r"output_format_\w+|date_time_output_format|date_time_input_format|max_result_rows|"
    r"max_execution_time|result_overflow_mode|join_use_nulls|extremes|readonly|"
    r"cast_string_to_dynamic_use_inference"
)


def check_keyed(sql: str) -> None:
    """Refuse, even with the key, what would run a program or open a connection.

    Raises:
        EngineError: code 497, with the words that were refused.
    """
    if _CREATES.search(sql) and (found := _PROGRAM.search(sql)):
        raise _refuse(f"{found[0]!r} reaches outside the data directory; only local tables may")


def check_guest(connection: Connection, sql: str) -> None:
    """Let only reading statements pass for a client without the key.

    Raises:
        EngineError: code 497 or 164 for what is not allowed, 62 for what cannot be parsed.
    """
    if len(sql) > MAX_LENGTH:
        raise _refuse(f"a statement without the key has at most {MAX_LENGTH:,} characters")
    if _SIMPLE.fullmatch(sql):
        return
    try:
        tree = parse(connection, sql)
    except EngineError as error:
        # The parser knows the statement but has no tree for it: none of these only reads.
        raise (_readonly() if error.code == _NO_TREE else error) from error
    if tree.get("type") not in _READS:
        raise _readonly()
    for node in _nodes(tree):
        _check_node(node)


def check_guest_settings(settings: Mapping[str, str]) -> None:
    """Refuse settings a client without the key may not set.

    Raises:
        EngineError: code 164, naming the setting.
    """
    for name in settings:
        if GUEST_SETTINGS.fullmatch(name) is None:
            raise EngineError(
                f"Code: {_READONLY}. DB::Exception: setting {name} cannot be changed without the "
                "key (READONLY)",
                code=_READONLY,
            )


def parse(connection: Connection, sql: str) -> dict[str, Any]:
    """The statement as the engine's own tree.

    Raises:
        EngineError: it does not parse, or is of a kind that has no tree.
    """
    escaped = (
        sql.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\0", "\\0")
    )
    try:
        answer = connection.run("SELECT parseQueryToJSON({q:String})", "RawBLOB", {"q": escaped})
    except EngineError as error:
        # Strip our own wrapping, so that the message speaks of the client's statement.
        text = str(error).split(": In scope SELECT parseQueryToJSON")[0]
        raise EngineError(text, code=error.code) from error
    tree = msgspec.json.decode(answer.body)
    return tree if isinstance(tree, dict) else {}


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _check_node(node: dict[str, Any]) -> None:
    kind = str(node.get("type", ""))
    if node.get("out_file") or kind == "SetQuery" or node.get("settings_ast"):
        raise _refuse("INTO OUTFILE and SETTINGS are not allowed without the key")
    if node.get("param_type") == "Identifier":
        raise _refuse("a parameter of type Identifier is not allowed without the key")
    if "table_function" in node:
        name = str(node["table_function"].get("name", ""))
        if name.lower() not in _TABLE_FUNCTIONS:
            raise _refuse(f"the table function {name} is not allowed without the key")
    if kind in {"Function", "Identifier"} or "func_name" in node:
        _check_function(str(node.get("func_name") or node.get("name", "")))
    if kind == "TableIdentifier" or "name_parts" in node:
        _check_table([str(p) for p in node.get("name_parts") or [node.get("name", "")]], kind)


def _check_function(name: str) -> None:
    if _FUNCTIONS.fullmatch(name):
        raise _refuse(f"{name} is not allowed without the key")


def _check_table(parts: list[str], kind: str) -> None:
    if kind == "TableIdentifier" and any(_PLAIN.fullmatch(p) is None for p in parts):
        raise _refuse(f"{'.'.join(parts)} is no plain name of a table")
    if parts[0].lower() == "system" and len(parts) > 1 and parts[1] not in _SYSTEM_TABLES:
        raise _refuse(f"system.{parts[1]} is not open without the key")


def _readonly() -> EngineError:
    return EngineError(
        f"Code: {_READONLY}. DB::Exception: without the key only reading is allowed: SELECT, SHOW, "
        "DESCRIBE, EXISTS, EXPLAIN. The key is in engine.key of the data directory; send it as the "
        "password. (READONLY)",
        code=_READONLY,
    )


def _refuse(why: str) -> EngineError:
    return EngineError(f"Code: {_DENIED}. DB::Exception: {why} (ACCESS_DENIED)", code=_DENIED)
