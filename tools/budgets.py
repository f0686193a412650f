"""Size budgets as a lint: what grows beyond them is cut into parts, not excused.

Usage: python tools/budgets.py [folder or file …]; exit code 1 where a budget is broken.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE_LINES, FUNCTION_LINES, PARAMETERS = 500, 50, 6
FREE_OF_PARAMETERS = "cli"  # the options of a command are its parameters
MAY_CATCH_ALL = "runtime"  # the supervisor, which logs and marks
PACKAGE = Path("src/penstock")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def breaches(path: Path, part: str) -> Iterator[tuple[int, str]]:
    """What breaks a budget in one module, as (line, sentence).

    Args:
        path: the module.
        part: the package it belongs to, such as `engine`.
    """
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield 1, f"the module has {lines} lines, at most {MODULE_LINES}"
    if not ast.get_docstring(tree):
        yield 1, "the module has no docstring"
    yield from undocumented(tree, public=True)
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from function(node, part)
        elif isinstance(node, ast.ExceptHandler) and part != MAY_CATCH_ALL and broad(node):
            yield node.lineno, "a broad except hides mistakes; only the supervisor has one"


def undocumented(parent: ast.Module | Definition, *, public: bool) -> Iterator[tuple[int, str]]:
    """Public names without a docstring; what stands inside a function is nobody's name."""
    for node in parent.body:
        if not isinstance(node, Definition):
            continue
        named = public and not node.name.startswith("_")
        decorators = " ".join(ast.unparse(d) for d in node.decorator_list)
        again = "overload" in decorators or "setter" in decorators
        if named and not again and not ast.get_docstring(node):
            yield node.lineno, f"{node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, public=named)


def function(node: Function, part: str) -> Iterator[tuple[int, str]]:
    """A function's length, from its name to its end, and its parameters without self."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if length > FUNCTION_LINES:
        yield node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES}"
    taken = node.args
    names = [a.arg for a in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]
    names += [a.arg for a in (taken.vararg, taken.kwarg) if a]
    count = len(names) - (names[:1] in (["self"], ["cls"]))
    if count > PARAMETERS and part != FREE_OF_PARAMETERS:
        yield node.lineno, f"{node.name} has {count} parameters, at most {PARAMETERS}"


def broad(node: ast.ExceptHandler) -> bool:
    """Whether a handler keeps everything: bare, Exception or BaseException, not raised again."""
    if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(c is None or ast.unparse(c) in ("Exception", "BaseException") for c in caught)


def main(arguments: list[str]) -> int:
    """Look through folders and files; returns the exit code."""
    roots = [Path(a) for a in arguments] or [PACKAGE]
    paths = sorted(p for r in roots for p in (r.rglob("*.py") if r.is_dir() else [r]))
    paths = [p for p in paths if "migrations" not in p.parts]  # their form is Alembic's
    found = 0
    for path in paths:
        parts = path.parts
        inside = parts[parts.index("penstock") + 1 :] if "penstock" in parts[:-1] else parts
        for line, sentence in sorted(breaches(path, inside[0])):
            print(f"{path}:{line}: {sentence}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
