"""`skyrack clock`: orbit time of the run that is up; stop it, set its speed, jump over quiet hours."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from skyrack.orchestrator.cli.clock_words import change_words, clock_words
from skyrack.orchestrator.cli.console import Format, Output, print_json
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import RunName, find_run
from skyrack.orchestrator.cli.times import parse_span_s

app = typer.Typer(
    help="Show the clock of the run that is up; pause it, set its speed, jump. It moves orbits, not processes.",
    invoke_without_command=True,
    rich_markup_mode=None,
)
ECLIPSE = "next-eclipse:"
_SECONDS = re.compile(r"[0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?s?", re.IGNORECASE)
_NEGATIVE = re.compile(r"-\.?[0-9]")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?(Z|[+-][0-9:]+)?", re.IGNORECASE)


@app.callback()
def show(context: typer.Context, run: RunName = None, output: Output = Format.TABLE) -> None:
    """Show the clock of the run that is up."""
    if context.invoked_subcommand is not None:
        context.obj = run, output
        return
    clock = find_run(run).ask("GET", "/v1/clock")
    if output is Format.JSON:
        print_json(clock)
        return
    since = f" (since {clock['since_run_s']:.3f} s of the run)" if len(clock["pieces"]) > 1 else ""
    for name, text in (
        ("run", f"{clock['run_s']:.3f} s"),
        ("orbits", f"t = {clock['t_s']:.3f} s"),
        ("UTC", f"{clock['utc']}, t = 0 at {clock['start']}"),
        ("clock", clock_words(clock) + since),
    ):
        print(f"{name:<8}{text}")


@app.command()
def pause(context: typer.Context, run: RunName = None, output: Output = Format.TABLE) -> None:
    """Let orbits, shadows and weather stand still. Processes, packets and faults go on."""
    _change(context, run, output, {"action": "pause"})


@app.command()
def resume(context: typer.Context, run: RunName = None, output: Output = Format.TABLE) -> None:
    """Let the orbits go on."""
    _change(context, run, output, {"action": "resume"})


class _Signed(TyperCommand):
    """Takes -3s for a value, not for an option that there is not, so that what is wrong with it is said."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, word in enumerate(args):
            if _NEGATIVE.match(word) and not args[max(0, place - 1)].startswith("--"):
                args = [*args[:place], *args[place + 1 :], "--", word]
                break
        return super().parse_args(ctx, args)


@app.command(cls=_Signed)
def speed(
    context: typer.Context,
    ratio: Annotated[float, typer.Argument(help="Orbit seconds per real second, above 0, at most 1000.")],
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Set how fast the orbits turn. Delays of packets are real at every speed; a paused clock stays paused."""
    _change(context, run, output, {"action": "speed", "speed": ratio})


@app.command(cls=_Signed)
def jump(
    context: typer.Context,
    span: Annotated[
        str | None, typer.Argument(help="How far, in orbit time: 90, 10m, 2h.", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Where to instead: UTC (2026-03-20T12:00:00Z), seconds since the scenario's start, or "
            "next-eclipse:NODE, where that satellite next comes into the Earth's shadow.",
            show_default=False,
        ),
    ] = None,
    run: RunName = None,
    output: Output = Format.TABLE,
) -> None:
    """Go to a later orbit time at once. What would have happened meanwhile does not happen."""
    if (span is None) is (to is None):
        raise Problem(
            "say how far to jump, or --to where, and not both"
            if to
            else "say how far to jump, or --to where",
            hint="skyrack clock jump 45m  |  skyrack clock jump --to 2026-03-20T12:00:00Z",
            status=USAGE,
        )
    _change(
        context,
        run,
        output,
        {"action": "jump"} | (_target(to) if to is not None else {"by_s": _span_s(span or "")}),
    )


def _span_s(text: str) -> float:
    if text.startswith("-"):
        raise Problem(
            f"{text!r}: the clock does not go back", hint="start a run anew: it begins at t = 0", status=USAGE
        )
    return parse_span_s(text)


def _target(text: str) -> dict[str, Any]:
    """As POST /v1/clock has it. Raises Problem."""
    text = text.strip()
    if text.startswith(ECLIPSE):
        return {"to_eclipse_of": text.removeprefix(ECLIPSE)}
    if _SECONDS.fullmatch(text):
        return {"to_t_s": float(text.lower().removesuffix("s"))}
    if _INSTANT.fullmatch(text):
        return {"to_utc": text}
    raise Problem(
        f"--to {text!r} is neither an instant nor a number of seconds",
        hint=f"2026-03-20T12:00:00Z, 5400 (orbit seconds since the start) or {ECLIPSE}p0s00",
        status=USAGE,
    )


def _change(context: typer.Context, run: str | None, output: Format, body: dict[str, Any]) -> None:
    """Options may also have been given before the verb."""
    earlier_run, earlier_output = context.obj
    answer = find_run(run or earlier_run).ask("POST", "/v1/clock", body)
    if Format.JSON in (output, earlier_output):
        print_json(answer)
    elif answer["changed"] is not None:
        print(change_words(answer["changed"]))
    else:
        print(answer["why_not"])
