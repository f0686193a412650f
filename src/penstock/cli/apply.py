"""`penstock apply`: create what the project names, and nothing else."""

from __future__ import annotations

from penstock.cli.place import HERE, DataPath, ProjectPath, again, find
from penstock.cli.terminal import Json, emit, say


def apply(project: ProjectPath = HERE, data: DataPath = None, json: Json = False) -> None:
    """Create the project's databases, tables and views; refuse what would lose data."""
    from penstock.cli.running import sought
    from penstock.errors import UsageError
    from penstock.runtime.platform import Platform

    place = find(project, data)
    running = sought(project, data)
    if running is not None:
        raise UsageError(
            f"the platform at {running.url} runs and has applied its project already",
            next_step=f"stop it first, or look with penstock status{again(project, data)}",
        )
    platform = Platform(place.project, place.settings, place.data)
    applied = platform.start(land=False)
    platform.stop()
    if json:
        emit({"created": applied.created, "unchanged": applied.unchanged})
    for name in applied.created:
        say(f"created    {name}")
    for name in applied.unchanged:
        say(f"unchanged  {name}")
    say(f"next: penstock up{again(project, data)}")
