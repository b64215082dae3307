"""`skyrack status`, `skyrack logs` and `skyrack version`."""

from __future__ import annotations

import difflib
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from skyrack.orchestrator.cli import contained
from skyrack.orchestrator.cli.clock_words import clock_words
from skyrack.orchestrator.cli.console import Format, Output, coloured, note, print_json, print_table
from skyrack.orchestrator.cli.entered import entries_line
from skyrack.orchestrator.cli.exits import USAGE, Problem
from skyrack.orchestrator.cli.find import LiveRun, RunName, find_any, find_run
from skyrack.orchestrator.cli.happenings import level, sentence
from skyrack.orchestrator.cli.pids import with_host_pids
from skyrack.orchestrator.runtime import compose, paths
from skyrack.orchestrator.runtime.compose import ComposeRun

FOLLOW_S = 0.2
MOST_FAULTS = 5  # in the line of those that act
_WRONG = {"false_outage": "lost though there was a way", "unexpected": "answered though there was none"}


def status(
    run: RunName = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show bare satellites too.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show a run: its nodes, the fabric, the links in force."""
    live = find_run(run)
    answer = with_host_pids(live.status(), live.socket_dir)
    if output is Format.JSON:
        print_json(answer)
        return
    nodes = [node for node in answer["nodes"] if everything or node["inhabited"]]
    rows = [
        [n["name"], n["kind"], n["state"], n["address"], str(n["pid"] or "-"), str(n["restarts"])]
        for n in nodes
    ]
    links, fabric = answer["links"], answer["fabric"]
    fibres = f"{links['fibre']} fibres, " if links["fibre"] else ""
    print(
        f"{answer['run']}: {answer['state']} for {answer['run_s']:.0f} s, {_clock(answer['clock'])}, "
        f"{_links(links['laser'], 'laser')}, {_links(links['ground'], 'ground link')}, "
        f"{fibres}fabric {fabric['scheduler']} {answer['http']}".rstrip()
    )
    if (background := answer["background"])["flows"]:
        print(f"background: {background['flows']} flows, {background['rate_bps'] / 1e9:g} Gbit/s in all")
    if entries := answer["entries"]:
        print(f"entries: {entries_line(entries)}")
    if (fidelity := answer["fidelity"]) is not None:
        print(_fidelity(fidelity))
    if said := _fleet(answer["fleet"]):
        print(said)
    if said := _faults(answer["faults"]):
        print(said)
    if drained := [node["name"] for node in answer["nodes"] if node["drained"]]:
        print(f"drained: {', '.join(drained)}")
    if radiation := answer["radiation"]:
        print(_radiation(radiation))
    print_table(["NODE", "KIND", "STATE", "ADDRESS", "PID", "RESTARTS"], rows)
    if services := answer["services"]:
        unready = [row for row in services if row["phase"] not in ("ready", "finished", "drained")]
        ended = sum(row["phase"] == "drained" for row in services)
        ready = f"services: {len(services) - len(unready) - ended} of {len(services)} ready"
        print(ready + (f", {ended} drained" if ended else ""))
        for row in unready:
            print(f"  {row['service']} at {row['node']}: {row['phase']} {row['reason']}".rstrip())
    if lost := answer["events_lost"]:
        note(f"{lost} events could not be written to {answer['run_dir']}: is the disk full?")
    bare = len(answer["nodes"]) - sum(n["inhabited"] for n in answer["nodes"])
    if bare and not everything:
        note(f"and {bare} bare satellites, which forward and answer ping: skyrack status --all")


def _links(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _fleet(found: dict[str, Any]) -> str:
    """Where the satellites are, in one line; nothing where all are in service and none is to be launched."""
    phases = {phase: count for phase, count in found["phases"].items() if count}
    if not found["launches"] and len(phases) == 1:
        return ""
    return f"fleet: {', '.join(f'{count:,} {phase}' for phase, count in phases.items())}"


def _clock(clock: dict[str, Any]) -> str:
    return f"clock {clock_words(clock)}" if clock["paused"] else clock_words(clock)


def _faults(found: dict[str, Any]) -> str:
    """What is broken now, in one line; nothing where nothing is."""
    acting = [
        f"{fault['id']} {fault['kind']} {' '.join(fault['on'])}"
        + (f" ({fault['stage']})" if "stage" in fault else "")
        for fault in found["acting"]
    ]
    told = ", ".join(acting[:MOST_FAULTS]) + (
        f" and {len(acting) - MOST_FAULTS} more" if len(acting) > MOST_FAULTS else ""
    )
    coming = f"{found['coming']} to come" if found["coming"] else ""
    return f"faults: {'; '.join(filter(None, (told, coming)))}" if told or coming else ""


def _radiation(found: dict[str, Any]) -> str:
    """What it has done so far, and where it does more than usual."""
    came = [f"{count:,} {outcome}" for outcome, count in found["outcomes"].items() if count]
    told = ", ".join(came) or "nothing yet"
    if found["in_storm"]:
        told += f"; a storm of {found['storm_factor']:g} over {found['in_storm']} of {found['satellites']} satellites"
    if found["over_anomaly"]:
        told += f"; {found['over_anomaly']} over the anomaly"
    return f"radiation: {told}"


def _fidelity(found: dict[str, Any]) -> str:
    """The run's own probes in one sentence."""
    probes: dict[str, int] = found["probes"]
    if not probes["answered"]:
        return "fidelity: no probe has come back yet"
    bounds = [
        "beyond the scale" if found[key] is None else f"at most {found[key] * 1e3:g} ms"
        for key in ("error_p50_s", "error_p99_s")
    ]
    wrong = [f"{probes[key]} {words}" for key, words in _WRONG.items() if probes[key]]
    text = f"fidelity: {probes['answered']:,} probes came back, error p50 {bounds[0]}, p99 {bounds[1]}; "
    text += ", ".join(wrong) or "no false outage"
    if held_up := probes["held_up"]:
        text += f"; {held_up} not judged, the host held the fabric up"
    return text


def logs(
    what: Annotated[
        str, typer.Argument(help="A node, or one of events, orchestrator, fabric, zygote.", metavar="[NODE]")
    ] = "events",
    service: Annotated[
        str | None, typer.Argument(help="What this service has printed there.", show_default=False)
    ] = None,
    run: RunName = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", help="Read a recorded run instead of a live one.", show_default=False),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="How many of the newest lines; 0 for all.", min=0)
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print lines as they are in the file.")] = False,
) -> None:
    """Show what a node or a part of a run has logged."""
    found = None if run_dir else _live_run(run)
    if service is not None and not isinstance(found, ComposeRun):
        what = f"{what}.{service}"
    if isinstance(found, ComposeRun) and what != "events":
        for line in contained.logs(found, what, service, lines=lines, follow=follow):
            print(line.rstrip("\n") if raw else readable(line), flush=follow)
        return
    directory = run_dir or _run_dir(found)
    path = _log_file(directory, what)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            newest = deque(file, maxlen=lines or None)
            for line in newest:
                print(line.rstrip("\n") if raw else readable(line))
            if follow:
                sys.stdout.flush()
                for line in _new_lines(file):
                    print(line.rstrip("\n") if raw else readable(line), flush=True)
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from error


def version() -> None:
    """Print the version."""
    print(installed_version("skyrack"))


def _live_run(run: str | None) -> LiveRun | ComposeRun | None:
    """The run that is meant, None where none is up and none is named."""
    if run is None and not paths.live_runs() and not compose.records():
        return None
    return find_any(run)


def _run_dir(found: LiveRun | ComposeRun | None) -> Path:
    if isinstance(found, ComposeRun):
        raise contained.hand_over(found)
    if found is not None:
        return Path(found.record.run_dir)
    if (latest := Path("runs/latest")).exists():
        note(f"no run is up; reading {latest.resolve().name}")
        return latest
    return Path(find_run(None).record.run_dir)  # says that none is up


def _log_file(directory: Path, what: str) -> Path:
    if not directory.is_dir():
        raise Problem(f"{directory} is not the directory of a run", status=USAGE)
    files = {path.stem: path for path in (directory / "logs").glob("*") if path.suffix in (".jsonl", ".log")}
    files["events"] = directory / "events.jsonl"
    if what not in files:
        close = difflib.get_close_matches(what, files, 3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(files))}"
        if contained.is_inside():
            hint = "containers have logs of their own: docker compose logs orchestrator, fabric, node-NAME"
        raise Problem(f"no log called {what!r} in {directory}", hint=hint, status=USAGE)
    return files[what]


def _new_lines(file: TextIO) -> Iterator[str]:
    pending = ""
    while True:
        pending += file.readline()
        if pending.endswith("\n"):
            yield pending
            pending = ""
        else:
            time.sleep(FOLLOW_S)


def readable(line: str) -> str:
    """A line of a log for people: time, level, message, fields. What is no JSON object stays as it is."""
    line = line.rstrip("\n")
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict):
        return line
    if "event" in record and "run_s" in record:
        return _head(f"{record['run_s']:10.3f} s", level(record)) + sentence(record)
    fields = record.pop("fields", None)
    when, grade, text = (str(record.pop(key, "")) for key in ("time", "level", "msg"))
    record.pop("node", None)
    record |= fields if isinstance(fields, dict) else {}
    exception = str(record.pop("exception", ""))
    told = " ".join([text, *(f"{key}={value}" for key, value in record.items())])
    return (_head(when, grade) + told).rstrip() + (f"\n{exception}" if exception else "")


def _head(when: str, grade: str) -> str:
    colour = {"error": "31", "critical": "31", "warning": "33"}.get(grade.lower())
    word = f"{grade.upper():<7}"
    return f"{when}  {coloured(word, colour, sys.stdout) if colour else word}  "
