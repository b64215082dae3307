"""`skyrack fault add KIND`: a command per kind, with options for what it acts on and for each of its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from skyrack.orchestrator.cli.console import Format, Output, complain, note, print_json
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.fault_show import print_faults
from skyrack.orchestrator.cli.fault_values import parse_value
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.cli.times import parse_span_s
from skyrack.orchestrator.faults.kinds import KINDS, Kind, Parameter
from skyrack.orchestrator.spelling import closest

CAMPAIGN: Final = "campaign"
_NODES: Final = {
    "links": "All links of a node",
    "across": "A satellite",
    "nodes": "A node",
    "satellites": "A satellite",
    "places": "A node with all that runs there, or NODE/SERVICE",
    "sides": "A node of one side",
}
_OF_RADIATION: Final = frozenset({"storm", "saa"})
_SEVERAL: Final = "Several times."
_WORDS: Final = "or a selector such as region:europe"


class _Kinds(TyperGroup):
    """Says of an unknown kind which was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            near = closest(args[0], KINDS) or f"there are {', '.join(KINDS)}"
            complain(f"no kind of fault is called {args[0]!r}: {near}", "skyrack fault kinds shows them")
            raise typer.Exit(USAGE)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Kinds,
    help="Begin a fault: skyrack fault add latency --link p3s07-p3s08 --extra 200ms --for 30s.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _options(kind: Kind) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotation and default of each option of a kind's command."""

    def several(text: str) -> Any:
        return Annotated[list[str] | None, typer.Option(help=text, show_default=False)]

    if kind.acts_on == "links":
        text = "A link as A-B, or 'A>B' for one direction." if kind.one_way else "A link as A-B."
        yield "link", several(f"{text} {_SEVERAL}"), None
    if kind.acts_on == "parts":
        yield "part", several(f"broker, fabric or orchestrator. {_SEVERAL}"), None
    else:
        yield "node", several(f"{_NODES[kind.acts_on]}, {_WORDS}. {_SEVERAL}"), None
        yield "plane", several(f"All satellites of a plane, such as p3. {_SEVERAL}"), None
    if kind.acts_on == "sides":
        yield "to", several(f"A node of the other side, {_WORDS}. {_SEVERAL} Default: everybody else."), None
        one_way = typer.Option("--one-way", help="What comes back from the other side is not lost.")
        yield "one_way", Annotated[bool, one_way], False
    for parameter in kind.parameters:
        yield parameter.key, Annotated[str | None, _option(parameter)], None
    if kind.timed:
        span = typer.Option("--for", help=f"How long, e.g. 30s. Default: {kind.lasts}.", show_default=False)
        yield "span", Annotated[str | None, span], None
    at = typer.Option(help="Begin so long from now, e.g. 10s. Default: now.", show_default=False)
    yield "at", Annotated[str | None, at], None
    cause = typer.Option(help="Why, for events and reports.", show_default=True)
    yield "cause", Annotated[str, cause], "skyrack fault"


def _option(parameter: Parameter) -> Any:
    needed = "" if parameter.default is None else f" Default: {parameter.default:g}."
    if parameter.drawn:
        needed = " Default: drawn."
    text = f"{parameter.text[0].upper()}{parameter.text[1:]}, e.g. {parameter.shown}.{needed}"
    return typer.Option(f"--{parameter.flag}", help=text, show_default=False)


def _command(kind: Kind) -> Callable[..., None]:
    """The command of one kind; its signature is what typer reads."""

    def add(**given: Any) -> None:
        _add(kind, given)

    parameters = [*_options(kind), ("run", RunName, None), ("output", Output, Format.TABLE)]
    add.__doc__ = f"{kind.text[0].upper()}{kind.text[1:]}."
    add.__annotations__ = {name: annotation for name, annotation, _ in parameters} | {"return": None}
    add.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, annotation, default in parameters
        ]
    )
    return add


def _add(kind: Kind, given: dict[str, Any]) -> None:
    fault: dict[str, Any] = {"kind": kind.name, "cause": given["cause"]}
    for option, key in (
        ("link", "links"),
        ("node", "nodes"),
        ("plane", "planes"),
        ("to", "to"),
        ("part", "parts"),
    ):
        if words := given.get(option):
            fault[key] = words
    if given.get("one_way"):
        fault["one_way"] = True
    for parameter in kind.parameters:
        if (text := given[parameter.key]) is not None:
            fault[parameter.key] = parse_value(parameter, text)
        elif parameter.needed:
            raise Problem(
                f"{kind.name}: {parameter.text}?", hint=f"--{parameter.flag} {parameter.shown}", status=USAGE
            )
    for option, key in (("span", "for_s"), ("at", "in_s")):
        if (text := given.get(option)) is not None:
            fault[key] = parse_span_s(text)
    _answer(given, "/v1/faults", {"faults": [fault]})


@app.command(CAMPAIGN)
def campaign(
    name: Annotated[str, typer.Option(help="Its name, on which its draws depend.")],
    fault: Annotated[
        list[str],
        typer.Option(help="A kind, with its values after a colon: kill, latency:200ms. Several times."),
    ],
    on: Annotated[
        list[str],
        typer.Option(help="What to draw targets from: nodes, selectors, links, parts. Several times."),
    ],
    until: Annotated[str, typer.Option(help="How long from now its last fault may begin, e.g. 60s.")],
    every: Annotated[str, typer.Option(help="Mean time from one fault to the next.")] = "10s",
    least: Annotated[str, typer.Option(help="Least that each lasts.")] = "5s",
    most: Annotated[str, typer.Option(help="Most that each lasts.")] = "15s",
    at_once: Annotated[
        int | None,
        typer.Option(help="Most that act at the same time. Default: any number.", min=1, show_default=False),
    ] = None,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Draw faults at random, by the run's seed and the campaign's name, and enter them."""
    least_s, most_s = parse_span_s(least), parse_span_s(most)
    if not 0.0 < least_s <= most_s:
        raise Problem(
            f"--least {least} and --most {most}: the least has to be above 0 and no more than the most",
            status=USAGE,
        )
    body: dict[str, Any] = {
        "name": name,
        "kinds": [_drawn(word) for word in fault],
        "on": on,
        "every_s": parse_span_s(every),
        "for_s": [least_s, most_s],
        "until_s": parse_span_s(until),
        "most_at_once": at_once,
    }
    _answer({"run": run, "output": output}, "/v1/campaigns", body)


def _drawn(word: str) -> dict[str, Any]:
    name, _, text = word.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        near = closest(name, KINDS) or f"there are {', '.join(KINDS)}"
        raise Problem(f"no kind of fault is called {name!r}: {near}", status=USAGE)
    values = text.split(",") if text else []
    if needed := [parameter.shown for parameter in kind.parameters if parameter.needed][len(values) :]:
        raise Problem(f"--fault {word}: what is missing is {', '.join(needed)}, for instance", status=USAGE)
    if len(values) > len(kind.parameters):
        raise Problem(f"{word}: {name} has {len(kind.parameters)} parameters", status=USAGE)
    pairs = zip(kind.parameters, values, strict=False)
    return {"kind": name, **{parameter.key: parse_value(parameter, value) for parameter, value in pairs}}


def _answer(given: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    live = find_run(given["run"])
    answer = live.ask("POST", path, body)
    if given["output"] is Format.JSON:
        print_json(answer)
    elif answer["faults"]:
        print_faults(answer["faults"], answer["at_s"])
        if (
            not _OF_RADIATION.isdisjoint(one["kind"] for one in answer["faults"])
            and not live.status()["radiation"]
        ):
            note("the scenario has no radiation section: nothing comes of it but what software is told")
    else:
        note("nothing was drawn before --until; --every says how far faults are apart in the mean")


for _kind in KINDS.values():
    app.command(_kind.name)(_command(_kind))
