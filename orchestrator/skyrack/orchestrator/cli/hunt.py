"""`skyrack hunt`: search for the minute in which a service breaks its promises, and write it down as a test."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyrack.orchestrator.cli.console import Format, Output, complain, note, print_json, shortened
from skyrack.orchestrator.cli.exits import BAD, FINE, INCONCLUSIVE, INTERRUPTED, USAGE, Problem
from skyrack.orchestrator.cli.times import parse_span_s

if TYPE_CHECKING:
    from skyrack.orchestrator.cli.hunt_files import HuntFiles
    from skyrack.orchestrator.cli.hunt_options import Options
    from skyrack.orchestrator.hunt.search import Hunt
    from skyrack.orchestrator.scenario import Scenario
    from skyrack.orchestrator.topology.geometry import Geometry

_STATUS = {"found": BAD, "unstable": INCONCLUSIVE, "inconclusive": INCONCLUSIVE, "held": FINE}
_ON_RESUME = ("resume", "span", "output")


class Goal(StrEnum):
    """What to look for."""

    VIOLATION = "violation"
    RECOVERY = "recovery"


def hunt(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(help="A scenario file or the name of a preset, with the service.", show_default=False),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Argument(help="After --: more options of skyrack load, as they are.", show_default=False),
    ] = None,
    span: Annotated[
        str,
        typer.Option("--for", help="How long to search; what is found is shrunk and replayed after that."),
    ] = "30m",
    workload: Annotated[
        str, typer.Option(help="The workload of each trial: kv, append, queue, set or bank.")
    ] = "kv",
    service: Annotated[
        str | None,
        typer.Option(
            help="The service under test. Default: the scenario's, if it has one.", show_default=False
        ),
    ] = None,
    adapter: Annotated[str, typer.Option(help="How the workload talks to it: etcd, redis or grpc.")] = "grpc",
    rate: Annotated[float, typer.Option(help="Operations per second in total.", min=0.01)] = 50.0,
    trial: Annotated[str, typer.Option(help="How long each trial's load is.")] = "20s",
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="A node that operations come from, several times. Default: all stations.", show_default=False
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Kinds of faults with commas between. Default: kill, pause, clock, dark, down, latency, loss, partition.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 1,
    goal: Annotated[
        Goal, typer.Option(help="A violation of a check, or the slowest recovery.")
    ] = Goal.VIOLATION,
    check: Annotated[
        list[str] | None,
        typer.Option(
            help="A check that counts, such as linearizable, several times. Default: all.", show_default=False
        ),
    ] = None,
    orbit: Annotated[str, typer.Option(help="Trials begin within so much of the scenario's orbit.")] = "2h",
    shrink: Annotated[
        str, typer.Option("--shrink-for", help="How long what was found may be shrunk.")
    ] = "10m",
    replays: Annotated[
        int,
        typer.Option(
            help="How often the smallest is replayed: it is confirmed if it breaks each time.", min=1
        ),
    ] = 5,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory of the hunt. Default: runs/hunt-STAMP-NAME.", show_default=False),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the pytest file. Default: in the hunt's directory.", show_default=False
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the hunt in this directory; --for may be another.", show_default=False),
    ] = None,
    output: Output = Format.TABLE,
) -> int:
    """Search fault times against the orbit for a violation or the slowest recovery; shrink, replay and write it as a test.

    Each trial is a run of its own: brought up at a drawn minute of the orbit, loaded, broken by drawn faults, judged. Exit
    status 3: a find that broke in every replay; 4: one that did not, or no trial that said anything; 0: nothing broke.
    """
    from skyrack.orchestrator.cli.hunt_files import HuntFiles
    from skyrack.orchestrator.cli.hunt_options import (
        Options,
        absolute,
        digest_of,
        prepared,
        refuse_unknown,
        service_of,
    )
    from skyrack.orchestrator.hunt.kinds import DEFAULT
    from skyrack.orchestrator.scenario import load_scenario

    if resume is not None:
        files = HuntFiles(resume)
        options = _resumed(context, files, span)
        return _hunt(files, options, prepared(options), output)
    if source is None:
        raise Problem("which scenario?", hint="skyrack hunt SCENARIO, or --resume DIR", status=USAGE)
    refuse_unknown(workload, adapter, check or [])
    scenario = load_scenario(source)
    under_test = service_of(scenario, service).name
    words = [workload, "--adapter", adapter, "--service", under_test, "--rate", f"{rate:g}"]
    if goal is Goal.VIOLATION:
        words += ["--probe-rate", "1"]  # a promise is broken or not, however noisy the host is
    options = Options(
        command=shlex.join(["skyrack", *sys.argv[1:]]),
        scenario=absolute(source),
        digest=digest_of(scenario),
        load=[*words, *(word for node in at or [] for word in ("--at", node)), *(more or [])],
        service=under_test,
        clients=at or [station.name for station in scenario.ground],
        kinds=list(DEFAULT) if kinds is None else [word.strip() for word in kinds.split(",")],
        checks=check or [],
        goal="recovery" if goal is Goal.RECOVERY else "violation",
        seed=seed,
        search_s=parse_span_s(span),
        shrink_s=parse_span_s(shrink),
        trial_s=round(parse_span_s(trial)),
        orbit_s=round(parse_span_s(orbit)),
        replays=replays,
        test="" if test is None else str(test.resolve()),
    )
    ready = prepared(options)  # what is wrong is said before there is a directory
    files = HuntFiles(out or Path("runs") / f"hunt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{scenario.name}")
    files.begin(asdict(options))
    return _hunt(files, options, ready, output)


def _resumed(context: typer.Context, files: HuntFiles, span: str) -> Options:
    """What the hunt was asked for; `--for` may be another. Raises Problem."""
    from skyrack.orchestrator.cli.hunt_options import Options, digest_of
    from skyrack.orchestrator.scenario import load_scenario

    given = [name for name in context.params if _was_given(context, name) and name not in _ON_RESUME]
    if given:
        raise Problem(
            "--resume goes on with what the hunt was asked for, and takes --for alone", status=USAGE
        )
    try:
        options = Options(**files.options())
    except TypeError as error:
        raise Problem(f"{files.directory}: {error}", status=USAGE) from error
    scenario: Scenario = load_scenario(options.scenario)
    if digest_of(scenario) != options.digest:
        raise Problem(
            f"{options.scenario} has changed since the hunt began: its trials say nothing about it now",
            hint="begin another hunt",
            status=USAGE,
        )
    return replace(options, search_s=parse_span_s(span)) if _was_given(context, "span") else options


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _hunt(files: HuntFiles, options: Options, ready: tuple[Hunt, Geometry], output: Format) -> int:
    """Carry it out from where it is, and report. Raises Problem."""
    from skyrack.orchestrator.cli.hunt_run import carry_out, write_test
    from skyrack.orchestrator.hunt.report import as_json, lines, verdict
    from skyrack.orchestrator.hunt.search import HuntError

    hunt, geometry = ready
    shown = shortened(files.directory.resolve())
    note(f"hunt in {shown}; Ctrl-C ends it with the best found so far")
    interrupted = False
    try:
        try:
            carry_out(hunt, files, options, geometry)
        except KeyboardInterrupt:
            interrupted = True
        written = write_test(hunt.best, files, options, geometry) if hunt.best else None
        document = {**as_json(hunt), "interrupted": interrupted, "test": str(written or "")}
        files.report(document)
    except HuntError as error:
        raise Problem(f"trials do not run: {error}") from error
    except OSError as error:
        raise Problem(f"cannot write {error.filename}: {error.strerror}") from error
    if output is Format.JSON:
        print_json(document)
    else:
        print("\n".join(lines(hunt)))
        if written:
            print(f"     Test     {shortened(written)}")
        print(f"     Files    {shown}")
    if interrupted:
        complain("interrupted", f"skyrack hunt --resume {shown}")
        return INTERRUPTED
    return _STATUS[verdict(hunt)]
