"""`penstock version` and `penstock --version`: of the package, the engine and Python."""

from __future__ import annotations

import typer

from penstock.cli.terminal import Json, emit


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
        print("  ".join(f"{name} {number}" for name, number in document.items()))


def show(wanted: bool) -> None:
    """Show versions and end, where `--version` is given."""
    if wanted:
        version()
        raise typer.Exit
