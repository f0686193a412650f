"""What the page's API types are made from: OpenAPI without the paths of a project, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from penstock.project import load
from penstock.serve.openapi import document

EXAMPLES = Path(__file__).parent.parent / "examples"


def main() -> None:
    """Write the document to standard output; `npm run types` in web/ reads it."""
    described = document(load(EXAMPLES))
    described["paths"] = {}
    described["info"]["version"] = ""  # a release alone changes no type
    json.dump(described, sys.stdout)


if __name__ == "__main__":
    main()
