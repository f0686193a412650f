"""`penstock new`: a project, and files in it, as a person would have begun them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from penstock.cli.place import ProjectPath, examples
from penstock.cli.terminal import Json, emit, say
from penstock.errors import InvalidProjectError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from penstock.layers.drafts import Draft, Place
    from penstock.project import Project, Relation


class _OrProject(TyperGroup):
    """`new mine` is `new project mine`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["project", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    no_args_is_help=True,
    cls=_OrProject,
    help="Begin a project (`penstock new NAME`), or a file of one.",
)
Name = Annotated[str, typer.Option(help="The new file's name; else made from what it is about.")]
RelationName = Annotated[str, typer.Argument(metavar="[DOMAIN/]RELATION")]


@app.command()
def project(
    name: Annotated[Path, typer.Argument(help="The folder to make.")],
    from_: Annotated[
        str, typer.Option("--from", help="Begin with a domain of the examples, such as homes.")
    ] = "",
    json: Json = False,
) -> None:
    """Make a project's folder (`penstock new NAME` for short)."""
    from penstock.layers.fields import snake
    from penstock.layers.templates import render
    from penstock.project import PROJECT_FILE

    above = Path(PROJECT_FILE)
    if above.is_file():
        raise UsageError(
            f"this folder is a project already, and {name} would be one inside of it",
            next_step="penstock new source|gold|endpoint|check adds a file to this one",
        )
    root = name.resolve()
    words = {"name": snake(root.name), "title": root.name}
    files = {
        root / PROJECT_FILE: render("project/penstock.toml", words, {}),
        root / "README.md": render("project/README.md", words, {}),
        root / ".gitignore": render("project/gitignore", {}, {}),
    }
    copies = _example(root, from_) if from_ else {}
    written = _write({path: text.encode() for path, text in files.items()} | copies, Path.cwd())
    then = "penstock up" if from_ else "penstock new source --like sample.json"
    _report(written, f"cd {name} && {then}", as_json=json)


@app.command()
def source(
    like: Annotated[Path, typer.Option(help="A sample: CSV, JSON or NDJSON; .gz may follow.")],
    name: Name = "",
    domain: Annotated[str, typer.Option(help="The domain; else the only one there is.")] = "",
    project: ProjectPath = Path(),
    json: Json = False,
) -> None:
    """Write source, bronze and silver for records like those of a sample."""
    from penstock.layers import drafts
    from penstock.layers.fields import quote, snake
    from penstock.layers.sample import look

    found = _read(project)
    word = snake(name or like.name.split(".")[0])
    word = word if quote(word) == word else f"{word}_records"  # no keyword names a table
    place = drafts.Place(found, _folder(found, domain), word)
    _free_names(found, place, (place.name, f"raw_{place.name}"))
    sample = look(like)
    written = _write_drafts(place, drafts.source(place, sample))
    for field in sample.fields:
        say(f"  {field.name:<28}{field.type:<28}{field.role}")
    _report(written, f"penstock new gold {place.name}", as_json=json)


@app.command()
def gold(
    relation: RelationName, name: Name = "", project: ProjectPath = Path(), json: Json = False
) -> None:
    """Write the hours of a silver table, as aggregate states."""
    from penstock.layers import drafts

    place, made = _from(project, relation, name, "hourly_{}", drafts.gold)
    _report(made, f"penstock new endpoint {place.name}", as_json=json)


@app.command()
def endpoint(
    relation: RelationName, name: Name = "", project: ProjectPath = Path(), json: Json = False
) -> None:
    """Write an endpoint over a gold relation, or over a silver one's rows."""
    from penstock.layers import drafts

    place, made = _from(project, relation, name, "{}", drafts.endpoint)
    domain = place.folder.name
    files = [s.name for s in place.project.sources() if s.kind == "file" and s.domain == domain]
    load = f" --ingest {domain}/{files[0]}" if files else ""
    say(f"  GET /v1/endpoints/{domain}/{place.name}.json, once it runs")
    _report(made, f"penstock up{load}", as_json=json)


@app.command()
def check(
    relation: RelationName, name: Name = "", project: ProjectPath = Path(), json: Json = False
) -> None:
    """Write a check over a relation: a SELECT whose rows are failures."""
    from penstock.layers import drafts

    def form(relation: Relation) -> str:
        return "no_gaps_in_{}" if drafts.has_time(relation) else "rows_in_{}"

    _, made = _from(project, relation, name, form, drafts.check)
    _report(made, "penstock check", as_json=json)


def _from(
    root: Path,
    relation: str,
    name: str,
    form: str | Callable[[Relation], str],
    write: Callable[[Place, Relation], list[Draft]],
) -> tuple[Place, list[str]]:
    """Draft one file from a relation and write it."""
    from penstock.layers.drafts import Place
    from penstock.layers.fields import snake

    found = _read(root)
    read = _relation(found, relation)
    words = form if isinstance(form, str) else form(read)
    place = Place(found, found.domain(read.domain).root, snake(name or words.format(read.name)))
    drafts = write(place, read)
    if drafts[0].path.parent.name == "gold":
        _free_names(found, place, (place.name,))
    return place, _write_drafts(place, drafts)


def _read(root: Path) -> Project:
    """The project as it is; what is being added to may have other mistakes."""
    from penstock.project import PROJECT_FILE, read

    project, problems = read(root)
    if not (root / PROJECT_FILE).is_file():
        raise InvalidProjectError(problems)
    return project


def _folder(project: Project, domain: str) -> Path:
    from penstock.project.toml_files import NAME, name_rule

    names = [d.name for d in project.domains]
    if domain and not NAME.fullmatch(domain):
        raise UsageError(f"{domain!r} cannot name a domain", next_step=name_rule(domain))
    if not domain and len(names) > 1:
        raise UsageError(
            f"the project has {len(names)} domains: {', '.join(names)}",
            next_step=f"name one: --domain {names[0]}",
        )
    return project.root / (domain or next(iter(names), "") or project.name)


def _relation(project: Project, name: str) -> Relation:
    domain, _, word = name.rpartition("/")
    if domain:
        return project.relation(domain, word)
    found = [r for r in project.relations() if r.name == word]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(f"{r.domain}/{r.name}" for r in found)
        raise UsageError(f"{word!r} is in several domains", next_step=f"name one: {places}")
    if len(project.domains) == 1:
        return project.domains[0].relation(word)
    known = ", ".join(f"{r.domain}/{r.name}" for r in project.relations())
    raise UsageError(f"there is no relation {word!r}", next_step=f"known: {known or 'none'}")


def _free_names(project: Project, place: Place, names: Sequence[str]) -> None:
    """Refuse a name that another relation of the domain has: a domain is one database."""
    there = {r.name: r for r in project.relations() if r.domain == place.folder.name}
    for name in names:
        if name in there:
            path = there[name].path.relative_to(project.root)
            raise UsageError(f"{path} is there already", next_step="give another --name")


def _example(root: Path, domain: str) -> dict[Path, bytes]:
    """The files of a domain of the examples, with the commands of its README made the project's."""
    from penstock.project.objects import nearest

    folder = examples() / domain
    known = sorted(p.parent.name for p in examples().glob("*/sources"))
    if domain not in known:
        near = nearest(domain, known)
        hint = f"did you mean {near}?" if near else f"known: {', '.join(known)}"
        raise UsageError(f"the examples have no domain {domain!r}", next_step=hint)
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    copies = {root / domain / p.relative_to(folder): p.read_bytes() for p in paths}
    readme = root / domain / "README.md"
    if readme in copies:
        text = copies[readme].decode().replace(" --project examples", "")
        copies[readme] = text.replace("root of the repository", "root of the project").encode()
    return copies


def _write_drafts(place: Place, drafts: Sequence[Draft]) -> list[str]:
    return _write({d.path: d.text.encode() for d in drafts}, place.project.root)


def _write(files: dict[Path, bytes], root: Path) -> list[str]:
    """Write all files or, where one is there already, none; gives their paths from `root`."""
    taken = [path for path in files if path.exists()]
    if taken:
        names = ", ".join(str(path) for path in taken[:3])
        raise UsageError(
            f"nothing was written, because this is there already: {names}",
            next_step="give another name",
        )
    for path, body in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    root = root.resolve()
    return [str(p.relative_to(root)) if p.is_relative_to(root) else str(p) for p in files]


def _report(written: list[str], then: str, *, as_json: bool) -> None:
    if as_json:
        emit({"written": written, "next": then})
        return
    for path in written:
        print(path)
    say(f"next: {then}")
