"""The command line: one module a command; what is heavy is imported when a command runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from penstock.cli.alerts import app as alerts
from penstock.cli.apply import apply
from penstock.cli.backfill import backfill
from penstock.cli.backup import backup
from penstock.cli.check import check
from penstock.cli.config import app as config
from penstock.cli.dead_letters import app as dead_letters
from penstock.cli.demo import demo
from penstock.cli.doctor import doctor
from penstock.cli.grafana import app as grafana
from penstock.cli.ingest import ingest
from penstock.cli.new import app as new
from penstock.cli.open import link
from penstock.cli.plan import plan
from penstock.cli.query import query
from penstock.cli.reconcile import reconcile
from penstock.cli.reset import reset
from penstock.cli.restore import restore
from penstock.cli.simulate import simulate
from penstock.cli.sources import app as sources
from penstock.cli.status import status
from penstock.cli.tail import tail
from penstock.cli.terminal import Command, Group, say
from penstock.cli.test import test
from penstock.cli.up import up
from penstock.cli.version import show, version
from penstock.errors import PenstockError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_STOPPED = 130
app = typer.Typer(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    demo, up, check, test, plan, apply, backfill, ingest, simulate, query, tail, reconcile, status,
    backup, restore, reset, doctor, version,
)  # fmt: skip
for command in COMMANDS:
    app.command(cls=Command)(command)
app.command("open", cls=Command)(link)
app.add_typer(new, name="new")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(alerts, name="alerts")
app.add_typer(sources, name="sources")
app.add_typer(grafana, name="grafana")
app.add_typer(config, name="config")


@app.callback()
def start(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show, help="Show versions.")
    ] = False,
) -> None:
    """Real-time data on ClickHouse: sources, bronze, silver, gold, serve."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 ok · 1 failed · 2 usage · 3 the plan has changes · 4 a check failed · 5 the project is
        invalid · 6 a service cannot be reached · 130 stopped by Ctrl-C.
    """
    try:
        app(args=list(words) if words is not None else None)
    except PenstockError as error:
        sys.stderr.write(f"{error.told()}\n")
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == _STOPPED:
            say("stopped")
        raise
    return 0
