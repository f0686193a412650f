"""Who may do what at the front: the small guard.

A client without the key may look and not touch: its statement is parsed by the engine's own
parser through a bound parameter (nothing is built around user text) and every node of the tree
must be of a kind on a list. The key opens everything but programs: an `Executable` engine or a
dictionary over a command would run a shell, and grants do not stop that. There, too, the engine's
parser is the judge: a comment, a quote or an escape hides a word from any pattern.

The SQL of analysts and models goes through a stricter tier: `analysts.py`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.engine.parameters import escaped
from penstock.errors import EngineError
from penstock.project import lexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.engine.pool import Connection

_DENIED, _READONLY, _NO_TREE, _SYNTAX, _TOO_DEEP = 497, 164, 36, 62, 167
MAX_LENGTH = 100_000  # characters of a statement without the key

_READS = {"SelectWithUnionQuery", "SelectIntersectExceptQuery", "ShowTablesQuery",
          "ShowColumnsQuery", "ShowIndexesQuery", "ExplainQuery"}  # fmt: skip
# Every kind of node that a reading statement may have; a kind that a newer engine adds is refused.
_NODES = _READS | {
    "SelectQuery", "Subquery", "ExpressionList", "Identifier", "TableIdentifier", "Literal",
    "Function", "QueryParameter", "Asterisk", "QualifiedAsterisk", "ColumnsRegexpMatcher",
    "ColumnsListMatcher", "QualifiedColumnsRegexpMatcher", "QualifiedColumnsListMatcher",
    "ColumnsTransformerList", "ColumnsApplyTransformer", "ColumnsExceptTransformer",
    "ColumnsReplaceTransformer", "ColumnsReplaceTransformerReplacement", "WithElement",
    "TablesInSelectQuery", "TablesInSelectQueryElement", "TableExpression", "TableJoin",
    "ArrayJoin", "SampleRatio", "OrderByElement", "InterpolateElement", "WindowDefinition",
    "WindowListElement",
}  # fmt: skip
# Statements that the engine parses and cannot show as a tree: only these exact shapes.
_NAME = r"(?:`[A-Za-z_]\w*`|[A-Za-z_]\w*)"
_SIMPLE = re.compile(
    r"\s*(?:(?:DESCRIBE|DESC|EXISTS)(?:\s+TABLE)?|EXISTS\s+(?:DATABASE|VIEW|DICTIONARY)"
    r"|SHOW\s+CREATE(?:\s+(?:TABLE|VIEW|DICTIONARY|DATABASE))?)"
    rf"\s+(?:{_NAME}\.)?{_NAME}\s*(?:FORMAT\s+[A-Za-z]+\s*)?;?\s*",
    re.IGNORECASE | re.ASCII,
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
    r"file|filesystem\w*|s3\w*|url\w*reader|getMacro|getServer\w*|getOSKernelVersion|tcpPort|"
    r"ai(?:Classify|Embed|Extract|Filter|Generate|Redact|Similarity|Translate)\w*|"
    r"sleep\w*|zookeeper\w*|generateSerialID|addressTo\w*|demangle|trap|logTrace|flameGraph|"
    r"reverseDNSQuery|catboost\w*|naiveBayes\w*|structureTo\w*|showCertificate|executable\w*|"
    r"python|eval|joinGet\w*|encrypt|decrypt|tryDecrypt|aes_\w*|connectionId|initialQuery\w*|"
    r"transaction\w*|getHostName\w*|getClientHTTPHeader",
    re.IGNORECASE,
)
# Their second argument may be the bare name of a table.
_IN = re.compile(r"(?:global)?(?:not)?(?:null)?in(?:ignoreset)?", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The columns of values(…) may have a DEFAULT or an ALIAS, which is an expression inside a text: so
# only `name Type, …`, seen without quotes and brackets, or a value that can call nothing.
_INNER = re.compile(r"'(?:[^'\\]|\\.)*'|\([^()']*\)", re.DOTALL)
_COLUMN = r"\s*[A-Za-z_]\w*\s+(?!(?:DEFAULT|MATERIALIZED|ALIAS|EPHEMERAL|TTL)\b)[A-Za-z]\w*\s*"
_COLUMNS = re.compile(rf"{_COLUMN}(?:,{_COLUMN})*", re.IGNORECASE | re.ASCII)
_HIDES = re.compile(r"--|/\*|[#$`\"]|[^\x00-\x7f]")  # a bracket in a comment or in odd quotes
_VALUE = re.compile(r"[^\s()]*", re.ASCII)
_MAX_COLUMNS = 2_000  # characters
# Engines and sources of a dictionary that would run a program or open a connection.
_ENGINES = {
    "executable", "executablepool", "url", "file", "s3", "s3queue", "hdfs", "azureblobstorage",
    "mysql", "postgresql", "materializedpostgresql", "mongodb", "redis", "kafka", "rabbitmq",
    "nats", "sqlite", "jdbc", "odbc", "distributed", "filesystem", "python", "ytsaurus",
    "arrowflight", "iceberg", "deltalake", "hudi", "paimon",
}  # fmt: skip
_SOURCES = {"clickhouse", "null"}
_ELSEWHERE = {"host", "port", "user", "password", "secure", "name"}
# Keywords cannot be quoted or escaped, so they show that a statement is worth the parser's time.
_CREATES = re.compile(r"\b(?:CREATE|ATTACH|REPLACE|ALTER)\b", re.IGNORECASE | re.ASCII)
_REACHES = re.compile(r"\b(?:ENGINE|DICTIONARY)\b", re.IGNORECASE | re.ASCII)
_EXECUTABLE = re.compile(r"executable", re.IGNORECASE)
# What a client without the key may set: the shape of an answer, not its reach.
GUEST_SETTINGS = re.compile(
    r"output_format_(?!schema)\w+|date_time_output_format|date_time_input_format|max_result_rows|"
    r"max_execution_time|result_overflow_mode|join_use_nulls|extremes|readonly|"
    r"cast_string_to_dynamic_use_inference"
)


class Verdicts:
    """What was said of accepted statements; a verdict depends on nothing but their text.

    Args:
        size: how many are kept; the least lately used goes first.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: dict[bytes, str] = {}

    @staticmethod
    def key(*words: str) -> bytes:
        """A digest of everything the verdict depends on."""
        text = "".join(f"{len(word)} {word}" for word in words)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest()

    def get(self, key: bytes) -> str | None:
        """The verdict, if it is kept."""
        with self._lock:
            verdict = self._kept.pop(key, None)
            if verdict is not None:
                self._kept[key] = verdict
            return verdict

    def put(self, key: bytes, verdict: str) -> None:
        """Keep a verdict."""
        with self._lock:
            self._kept[key] = verdict
            if len(self._kept) > self._size:
                del self._kept[next(iter(self._kept))]


_GUESTS = Verdicts(10_000)


def check_keyed(connection: Connection, sql: str) -> None:
    """Refuse, even with the key, what would run a program or open a connection.

    Raises:
        EngineError: code 497 for what was refused; 62 for several statements at once.
    """
    _check_alone(sql)
    creates = _CREATES.search(sql) and _REACHES.search(sql)
    if not creates and _EXECUTABLE.search(sql) is None:
        return
    try:
        tree = parse(connection, sql)
    except EngineError as error:
        if error.code != _NO_TREE:
            raise
        raise refuse(
            "a statement that names an ENGINE, a DICTIONARY or executable() must stand alone; "
            "send the rows of an INSERT in the body and the statement as the parameter query"
        ) from error
    for node in nodes(tree):
        _check_program(node)


def _check_alone(sql: str) -> None:
    """Refuse a second statement, which the engine would run, and names that hide in escapes."""
    if ";" in sql.rstrip().removesuffix(";") and len(lexer.split(list(lexer.code(sql)), ";")) > 1:
        raise EngineError(
            "Code: 62. DB::Exception: send one statement at a time (SYNTAX_ERROR)", code=_SYNTAX
        )
    if "\\" in sql and any(t.kind == lexer.QUOTED and "\\" in t.text for t in lexer.code(sql)):
        raise refuse("a name may have no escapes")


def check_guest(connection: Connection, sql: str, database: str = "") -> None:
    """Let only reading statements pass for a client without the key.

    Args:
        connection: idle.
        sql: the client's statement.
        database: where its unqualified names are looked up.

    Raises:
        EngineError: code 497 or 164 for what is not allowed, 62 for what cannot be parsed.
    """
    if len(sql) > MAX_LENGTH:
        raise refuse(f"a statement without the key has at most {MAX_LENGTH:,} characters")
    if _SIMPLE.fullmatch(sql):
        return
    key = Verdicts.key(database, sql)
    if _GUESTS.get(key) is not None:
        return
    try:
        tree = parse(connection, sql)
    except EngineError as error:
        # The parser knows the statement but has no tree for it: none of these only reads.
        raise (_readonly() if error.code == _NO_TREE else error) from error
    if tree.get("type") not in _READS:
        raise _readonly()
    if tree["type"] == "ExplainQuery":
        tree.pop("settings", None)  # EXPLAIN's own words, such as `indexes = 1`
    for node in nodes(tree):
        _check_node(node, database)
    _GUESTS.put(key, "")


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
    try:
        tree = msgspec.json.decode(_ask(connection, "parseQueryToJSON", sql))
    except RecursionError as error:
        raise EngineError(
            f"Code: {_TOO_DEEP}. DB::Exception: the statement is nested too deeply (TOO_DEEP_AST)",
            code=_TOO_DEEP,
        ) from error
    return tree if isinstance(tree, dict) else {}


def rebuild(connection: Connection, tree: Mapping[str, Any]) -> str:
    """The statement of a tree, in the engine's own words: one line, no comments.

    Raises:
        EngineError: the engine cannot write what it has read.
    """
    for node in nodes(tree):
        # The engine writes 1e20 as an integer, and then does not read an integer of that size.
        if node.get("field_type") == "Float64" and isinstance(node["value"], int):
            node["value"] = float(node["value"])
    return _ask(connection, "formatQueryFromJSON", msgspec.json.encode(tree).decode()).decode()


def _ask(connection: Connection, function: str, text: str) -> bytes:
    """What a function of the engine says of a text, which is never part of a statement."""
    sql = f"SELECT {function}({{q:String}})"
    try:
        return connection.run(sql, "RawBLOB", escaped(sql, {"q": text})).body
    except EngineError as error:
        # Strip our own wrapping, so that the message speaks of the client's statement.
        said = str(error).split(f": In scope SELECT {function}")[0]
        raise EngineError(said, code=error.code) from error


def nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Every object in a tree, the tree itself first."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def _check_program(node: dict[str, Any]) -> None:
    name = str(node.get("name", ""))
    if node.get("type") == "Function" and name.lower() == "executable":
        raise refuse(f"{name} runs a program")
    if node.get("kind") in {"TABLE_ENGINE", "DATABASE_ENGINE"} and name.lower() in _ENGINES:
        raise refuse(f"the engine {name} reaches outside the data directory")
    if source := (node.get("dictionary") or {}).get("source"):
        words = {str(n.get("first", "")).lower() for n in nodes(source)}
        if source.get("name", "").lower() not in _SOURCES or words & _ELSEWHERE:
            raise refuse("the source of a dictionary is a local table or query: nothing else")


def _check_node(node: dict[str, Any], database: str) -> None:
    kind, name = str(node.get("type", "")), str(node.get("name", ""))
    if node.get("out_file") or kind == "SetQuery" or node.get("settings_ast"):
        raise refuse("INTO OUTFILE and SETTINGS are not allowed without the key")
    if kind and kind not in _NODES:
        raise _readonly()
    if node.get("param_type") == "Identifier":
        raise refuse("a parameter of type Identifier is not allowed without the key")
    if "table_function" in node:
        function = str(node["table_function"].get("name", ""))
        if function.lower() not in _TABLE_FUNCTIONS:
            raise refuse(f"the table function {function} is not allowed without the key")
        if function.lower() == "values":
            check_columns(node["table_function"])
    if kind in {"Function", "Identifier"} or "func_name" in node:
        _check_function(str(node.get("func_name", name)))
    for table in _tables(node):
        _check_table([str(p) for p in table.get("name_parts") or [table["name"]]], database)


def _tables(node: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands for a table in a node: itself, or the bare name on the right of an IN."""
    if node.get("type") == "TableIdentifier":
        return [node]
    if node.get("type") == "Function" and _IN.fullmatch(str(node.get("name", ""))):
        right = node.get("arguments", {}).get("children", [])[1:]
        return [argument for argument in right if argument.get("type") == "Identifier"]
    return []


def _check_function(name: str) -> None:
    if _FUNCTIONS.fullmatch(name):
        raise refuse(f"{name} is not allowed without the key")


def _check_table(parts: list[str], database: str) -> None:
    if any(_PLAIN.fullmatch(p) is None for p in parts):
        raise refuse(f"{'.'.join(parts)} is no plain name of a table")
    full = parts if len(parts) > 1 else [database, *parts]
    if full[0].lower() == "system" and full[1] not in _SYSTEM_TABLES:
        raise refuse(f"system.{full[1]} is not open without the key")


def check_columns(values: Mapping[str, Any]) -> None:
    """Refuse columns of `values(…)` that are computed.

    Args:
        values: the node of the function.

    Raises:
        EngineError: code 497; its first argument declares more than names and types, or is a
            name or a parameter that may stand for such a declaration.
    """
    first: dict[str, Any] = next(iter(values.get("arguments", {}).get("children", [])), {})
    declared = first.get("value", {}).get("value") if first.get("type") == "Literal" else ""
    if not isinstance(declared, str):
        return
    plain = first.get("type") in {"Literal", "Function"} and len(declared) <= _MAX_COLUMNS
    if plain and _VALUE.fullmatch(declared):
        return
    plain = plain and _HIDES.search(declared) is None
    while plain and (bare := _INNER.sub("", declared)) != declared:
        declared = bare
    if not plain or _COLUMNS.fullmatch(declared) is None:
        raise refuse("the columns of values(…) are written there, as names and types only")


def _readonly() -> EngineError:
    return EngineError(
        f"Code: {_READONLY}. DB::Exception: without the key only reading is allowed: SELECT, SHOW, "
        "DESCRIBE, EXISTS, EXPLAIN. The key is in engine.key of the data directory; send it as the "
        "password. (READONLY)",
        code=_READONLY,
    )


def refuse(why: str) -> EngineError:
    """ClickHouse's «access denied», with the reason."""
    return EngineError(f"Code: {_DENIED}. DB::Exception: {why} (ACCESS_DENIED)", code=_DENIED)
