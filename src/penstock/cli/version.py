"""`penstock version`: of the package, the engine and Python."""

from __future__ import annotations

from penstock.cli.terminal import Json, emit, say


def version(json: Json = False) -> None:
    """Show versions."""
    import platform
    from importlib import metadata

    import penstock

    document = {
        "penstock": penstock.__version__,
        "engine": metadata.version("chdb-core"),
        "python": platform.python_version(),
    }
    if json:
        emit(document)
    else:
        say("  ".join(f"{name} {number}" for name, number in document.items()))
