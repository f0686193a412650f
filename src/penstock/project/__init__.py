"""A folder on disk becomes frozen, validated objects and their graph; no engine, no network.

::

    toml_files ─┐
    lexer → statements → header, endpoints ─┤
                        references, rules ──┴→ loader → Project (objects, graph)
"""

from penstock.project.loader import PROJECT_FILE, load, read
from penstock.project.objects import (
    Column,
    Domain,
    Endpoint,
    Header,
    Param,
    Project,
    Relation,
    Source,
    Statement,
    TableShape,
)

__all__ = [
    "PROJECT_FILE",
    "Column",
    "Domain",
    "Endpoint",
    "Header",
    "Param",
    "Project",
    "Relation",
    "Source",
    "Statement",
    "TableShape",
    "load",
    "read",
]
