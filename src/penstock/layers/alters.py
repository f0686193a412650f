"""What turns one table into another: the difference of two forms as ALTERs, each labelled.

A pure function of two forms. Where no ALTER leads from one to the other without losing a value,
the step is refused here; whether the engine takes what is left is tried on a draft (`plan`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from penstock.layers.forms import table
from penstock.layers.steps import LOSE, Label, Step
from penstock.layers.widening import keeps_values
from penstock.project.lexer import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock.layers.forms import ColumnForm, Form

# A changed TTL would else rewrite the table at once; merges apply it as they come.
_LATER = " SETTINGS materialize_ttl_after_modify = 0"
_WAYS_COLUMN = "add a column under another name, and drop this one when nobody reads it"
_WAYS_TABLE = (
    "write the new table under another name and fill it by its view; or say `renamed_from` if it "
    "is the same table; or drop it by name and let it be filled anew"
)


@dataclass(frozen=True, slots=True)
class Between:
    """A table as it is and as it is to be.

    Attributes:
        have: as it is.
        want: as it is to be, under the same name.
        sizes: column → bytes on disk.
        drop: columns whose values may be lost, as the user said.
    """

    have: Form
    want: Form
    sizes: Mapping[str, int] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        """Whether the table holds no row that could be lost."""
        return self.have.rows == 0

    @property
    def name(self) -> str:
        """`database.name`."""
        return self.want.full_name

    def alter(self, *actions: str, later: bool = False) -> str:
        """One ALTER of the table."""
        sql = f"ALTER TABLE {table(self.want.database, self.want.name)} {', '.join(actions)}"
        return sql + (_LATER if later else "")

    def step(self, label: Label, words: str, *sql: str, rows: int = 0, size: int = 0) -> Step:
        """A step of this table."""
        return Step(self.name, "alter", label, words, sql, self.name, rows=rows, bytes=size)

    def refuse(self, words: str, ways: str) -> Step:
        """A step that is not taken."""
        return Step(self.name, "refused", "refused", words, (), self.name, ways=ways)


def rekeyed(between: Between) -> list[str]:
    """The keys that differ and that no ALTER changes: engine, partition, order, primary key."""
    have, want = between.have.keys, between.want.keys
    fixed = [k for k in ("ENGINE", "PARTITION BY", "PRIMARY KEY") if have[k] != want[k]]
    order_only = have["ORDER BY"] != want["ORDER BY"] and not _extends(between)
    return fixed + (["ORDER BY"] if order_only else [])


def retyped(between: Between) -> list[str]:
    """Columns that are there before and after, and whose type differs."""
    have, want = between.have.columns, between.want.columns
    return [name for name in want if name in have and have[name].type != want[name].type]


def reshaped(between: Between) -> bool:
    """Whether a table has other columns, or columns of another type."""
    have, want = between.have.columns, between.want.columns
    return set(have) != set(want) or bool(retyped(between))


def refused_keys(between: Between, keys: list[str]) -> Step:
    """The refusal of a change that needs the table to be written anew."""
    have, want = between.have.keys, between.want.keys
    parts = [f"{k} from {have[k] or 'nothing'} to {want[k] or 'nothing'}" for k in keys]
    words = f"changes {' and '.join(parts)} of {between.name}, which holds {between.have.rows:,}"
    ways = _WAYS_TABLE
    if keys == ["PRIMARY KEY"] or set(keys) == {"PRIMARY KEY", "ORDER BY"}:
        ways += f"; a longer ORDER BY keeps its key: PRIMARY KEY ({have['PRIMARY KEY']})"
    return between.refuse(f"{words} rows: the engine would have to write all of them anew", ways)


def alters(between: Between) -> Iterator[Step]:
    """The steps from one table to the other, in an order in which each of them can be taken."""
    yield from _lost_parts(between)
    yield from _new_columns(between)
    for name in between.want.columns:
        if name in between.have.columns:
            yield from _column(between, between.have.columns[name], between.want.columns[name])
    yield from _order(between)
    yield from _parts(between)
    yield from _sample(between)
    yield from _ttl(between)
    yield from _settings(between)
    if between.have.comment != between.want.comment:
        sql = between.alter(f"MODIFY COMMENT {literal(between.want.comment)}")
        yield between.step("metadata", f"sets the comment of {between.name}; metadata only", sql)
    yield from _lost_columns(between)


def _extends(between: Between) -> bool:
    """Whether only the sorting key differs, as MODIFY ORDER BY may change it."""
    have, want = between.have, between.want
    if have.keys["PRIMARY KEY"] != want.keys["PRIMARY KEY"]:
        return False
    old, new = _elements(have.keys["ORDER BY"]), _elements(want.keys["ORDER BY"])
    fresh = {n for n, c in want.columns.items() if n not in have.columns and not c.kind}
    longer = new[: len(old)] == old and set(new[len(old) :]) <= fresh
    return longer or old[: len(new)] == new


def _elements(key: str) -> list[str]:
    from penstock.project import lexer  # noqa: PLC0415 - only here

    return [lexer.plain(e) for e in lexer.split(list(lexer.code(key)), ",")]


def _new_columns(between: Between) -> Iterator[Step]:
    """Columns are added where the file has them; those of a longer sorting key with it."""
    have, want = between.have, between.want
    order = have.keys["ORDER BY"] != want.keys["ORDER BY"]
    reorder = [f"MODIFY ORDER BY ({want.keys['ORDER BY']})"] if order else []
    before = ""
    for name, column in want.columns.items():
        if name not in have.columns:
            at = f"AFTER {quoted(before)}" if before else "FIRST"
            actions = [f"ADD COLUMN IF NOT EXISTS {column.text} {at}"]
            keyed = bool(reorder) and name in _elements(want.keys["ORDER BY"])
            if keyed:  # the engine takes a column into the key only in the ALTER that adds it
                others = [n for n in want.columns if n not in have.columns and n != name]
                more = [n for n in others if n in _elements(want.keys["ORDER BY"])]
                actions += [f"ADD COLUMN IF NOT EXISTS {want.columns[n].text}" for n in more]
                actions += reorder
                reorder = []
            sql = between.alter(*actions)
            yield _added(between, column, sql, keyed=keyed)
        before = name
    if reorder:
        words = f"sorts parts of {between.name} by ({want.keys['ORDER BY']}) from now on"
        yield between.step("metadata", f"{words}; metadata only", between.alter(*reorder))


def _added(between: Between, column: ColumnForm, sql: str, *, keyed: bool) -> Step:
    name = quoted(column.name).strip("`")
    key = ", and sorts by it" if keyed else ""
    words = f"adds column `{name} {column.type}` to {between.name}{key}"
    if column.kind in ("DEFAULT", "MATERIALIZED") and not between.empty:
        expression = column.properties["DEFAULT"].partition(" ")[2]
        words += f"; rows stored before read it as {expression}, nothing is rewritten"
        return between.step("forward-only", words, sql)
    return between.step("metadata", f"{words}; metadata only; nothing is read or rewritten", sql)


def _column(between: Between, old: ColumnForm, new: ColumnForm) -> Iterator[Step]:
    """One column that stays: its type, and what else its declaration says."""
    if old.text == new.text:
        return
    if old.stored != new.stored and not between.empty:
        words = f"makes column {old.name} of {between.name} {new.kind or 'a stored one'}"
        yield between.refuse(f"{words}: its {between.have.rows:,} values would go", _WAYS_COLUMN)
        return
    if not between.empty and not keeps_values(old.type, new.type):
        words = f"changes column {old.name} of {between.name} from {old.type} to {new.type}"
        why = ": not every stored value would stay as it is"
        yield between.refuse(words + why, _WAYS_COLUMN)
        return
    gone = [p for p in old.properties if p not in new.properties]
    sql = [between.alter(f"MODIFY COLUMN {quoted(new.name)} REMOVE {_word(old, p)}") for p in gone]
    alter = between.alter(f"MODIFY COLUMN {new.text}", later="TTL" in new.properties)
    changed = [p for p, value in new.properties.items() if old.properties.get(p) != value]
    if old.type != new.type or changed:
        # The engine refuses to alter a column to what it is: only what differs is said.
        sql.append(alter)
    yield _described(between, old, new, sql)


def _word(column: ColumnForm, prop: str) -> str:
    return column.kind if prop == "DEFAULT" else prop


def _described(between: Between, old: ColumnForm, new: ColumnForm, sql: list[str]) -> Step:
    rewrites = old.type != new.type and not between.empty and new.stored
    rows = between.have.rows if rewrites else 0
    size = between.sizes.get(old.name, 0) if rewrites else 0
    said = []
    if old.type != new.type:
        said.append(f"its type from {old.type} to {new.type}, every value stays as it is")
    names = dict.fromkeys([*old.properties, *new.properties])
    differing = [p for p in names if old.properties.get(p) != new.properties.get(p)]
    said += [_SAID[p] for p in differing]
    meta = set(differing) <= {"COMMENT", "STATISTICS"} or between.empty
    words = f"changes column {new.name} of {between.name}: {'; '.join(said)}"
    return between.step("metadata" if meta else "forward-only", words, *sql, rows=rows, size=size)


_SAID = {
    "DEFAULT": "its expression, for rows from now on",
    "COMMENT": "its comment",
    "CODEC": "its codec, for parts written from now on",
    "STATISTICS": "its statistics",
    "TTL": "its TTL, as parts are merged from now on",
    "SETTINGS": "its settings, for parts written from now on",
}


def _order(between: Between) -> Iterator[Step]:
    """Columns that stay, brought into the order of the file."""
    wanted = list(between.want.columns)
    now = [name for name in between.have.columns if name in between.want.columns]
    for index, name in enumerate(wanted):  # the new ones have been added in their places
        if name not in between.have.columns:
            now.insert(index, name)
    actions = []
    for index, name in enumerate(wanted):
        if now[index] == name:
            continue
        now.remove(name)
        now.insert(index, name)
        at = f"AFTER {quoted(wanted[index - 1])}" if index else "FIRST"
        column = between.want.columns[name]
        actions.append(between.alter(f"MODIFY COLUMN {quoted(name)} {column.type} {at}"))
    if actions:
        words = f"puts the columns of {between.name} in the order of its file; metadata only"
        yield between.step("metadata", words, *actions)


def _lost_parts(between: Between) -> Iterator[Step]:
    """Indices, projections and constraints that go, before the columns they need."""
    for (kind, name), declared in between.have.parts.items():
        if (kind, name) not in between.want.parts:
            sql = between.alter(f"DROP {kind} IF EXISTS {quoted(name)}")
            words = f"drops {kind.lower()} {name} of {between.name}; no row is lost"
            yield between.step("metadata", words, sql)
        elif between.want.parts[kind, name] != declared:
            again = between.want.parts[kind, name].partition(" ")[2]
            sql = between.alter(f"DROP {kind} IF EXISTS {quoted(name)}")
            add = between.alter(f"ADD {kind} IF NOT EXISTS {again}")
            words = f"changes {kind.lower()} {name} of {between.name}; {_FROM_NOW[kind]}"
            yield between.step(_part_label(between), words, sql, add)


def _parts(between: Between) -> Iterator[Step]:
    for (kind, name), declared in between.want.parts.items():
        if (kind, name) not in between.have.parts:
            sql = between.alter(f"ADD {kind} IF NOT EXISTS {declared.partition(' ')[2]}")
            words = f"adds {kind.lower()} {name} to {between.name}; {_FROM_NOW[kind]}"
            yield between.step(_part_label(between), words, sql)


_FROM_NOW = {
    "INDEX": "parts get it as they are written or merged, nothing is rewritten now",
    "PROJECTION": "parts get it as they are written or merged, nothing is rewritten now",
    "CONSTRAINT": "rows are checked from now on, those stored are not looked at",
}


def _part_label(between: Between) -> Label:
    return "metadata" if between.empty else "forward-only"


def _sample(between: Between) -> Iterator[Step]:
    have, want = between.have.keys["SAMPLE BY"], between.want.keys["SAMPLE BY"]
    if have != want:
        action = f"MODIFY SAMPLE BY {want}" if want else "REMOVE SAMPLE BY"
        words = f"samples {between.name} by {want or 'nothing'}; metadata only"
        yield between.step("metadata", words, between.alter(action))


def _ttl(between: Between) -> Iterator[Step]:
    have, want = between.have.ttl, between.want.ttl
    if have == want:
        return
    if not want:
        words = f"keeps the rows of {between.name} for ever (TTL was {have}); metadata only"
        yield between.step("metadata", words, between.alter("REMOVE TTL"))
        return
    words = f"sets the TTL of {between.name} to {want} (was {have or 'none'})"
    words += "; rows that are past it go with the next merges, nothing is rewritten now"
    sql = between.alter(f"MODIFY TTL {want}", later=True)
    yield between.step("metadata" if between.empty else "forward-only", words, sql)


def _settings(between: Between) -> Iterator[Step]:
    have, want = between.have.settings, between.want.settings
    for name, value in want.items():
        if have.get(name) != value:
            sql = between.alter(f"MODIFY SETTING {name} = {value}")
            was = f" (was {have[name]})" if name in have else ""
            words = f"sets {name} = {value} of {between.name}{was}; metadata only"
            yield between.step("metadata", words, sql)
    for name in have:
        if name not in want:
            words = f"sets {name} of {between.name} back to the engine's own; metadata only"
            yield between.step("metadata", words, between.alter(f"RESET SETTING {name}"))


def _lost_columns(between: Between) -> Iterator[Step]:
    for name, column in between.have.columns.items():
        if name in between.want.columns:
            continue
        full = f"{between.name}.{name}"
        words = f"drops column {name} of {between.name}"
        if column.stored and not between.empty:
            words += f" with its {between.have.rows:,} values"
            if full not in between.drop:
                ways = f"say it: --drop {full}; or rename it: `renames: {{{name}: new_name}}` in "
                yield between.refuse(words, ways + "the header")
                continue
        sql = between.alter(f"DROP COLUMN IF EXISTS {quoted(name)}")
        yield Step(
            between.name,
            "drop column",
            "forward-only" if column.stored and not between.empty else "metadata",
            words,
            (sql,),
            between.name,
            rows=between.have.rows if column.stored else 0,
            bytes=between.sizes.get(name, 0),
            phase=LOSE,
        )
