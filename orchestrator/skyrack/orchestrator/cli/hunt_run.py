"""A hunt being carried out: what is on file is told again, the rest are trials; and what was found becomes a test."""

from __future__ import annotations

import os
from pathlib import Path

from skyrack.orchestrator.cli.console import note
from skyrack.orchestrator.cli.exits import Problem
from skyrack.orchestrator.cli.hunt_files import HuntFiles, Trial
from skyrack.orchestrator.cli.hunt_meter import Meter
from skyrack.orchestrator.cli.hunt_options import Options
from skyrack.orchestrator.cli.hunt_trial import Trials
from skyrack.orchestrator.hunt.moved import moved
from skyrack.orchestrator.hunt.outcome import Outcome
from skyrack.orchestrator.hunt.pytest_file import text_of
from skyrack.orchestrator.hunt.search import SAME_RECOVERY_RATIO, Find, Hunt
from skyrack.orchestrator.runtime.files import write_whole
from skyrack.orchestrator.topology.geometry import Geometry


def carry_out(hunt: Hunt, files: HuntFiles, options: Options, geometry: Geometry) -> None:
    """Answer what the hunt asks for until it asks for no more. Raises Problem, HuntError, OSError."""
    known = files.trials()
    if known:
        note(f"{len(known)} trial{'' if len(known) == 1 else 's'} known from before")
    trials = Trials(
        files.directory / "running",
        lambda start_s: moved(geometry, options.scenario, start_s),
        options.load,
        timed=options.goal == "recovery",
    )
    meter = Meter(options.search_s)
    running = hunt.run()
    try:
        request = next(running)
        while True:
            number = hunt.trials + 1
            if number <= len(known):
                if known[number - 1].request != request:
                    raise Problem(
                        f"trial {number} on file is not what the hunt asks for now: another version made it",
                        hint="begin another hunt",
                    )
                outcome = known[number - 1].outcome
            else:
                meter.begin(number, request, hunt)
                outcome = trials.run(request.schedule)
                if trials.run_dir is not None and _is_interesting(hunt, outcome):
                    files.keep(number, trials.run_dir)
                files.add(number, Trial(request, outcome))
                meter.end(number, request, outcome, hunt)
            request = running.send(outcome)
    except StopIteration:
        return
    finally:
        meter.clear()
        trials.clean()


def _is_interesting(hunt: Hunt, outcome: Outcome) -> bool:
    """Whether somebody will want to look at what the trial recorded."""
    if outcome.verdict in ("bad", "failed"):
        return True
    worst_s = hunt.worst[0] if hunt.worst else 0.0
    return hunt.rules.goal == "recovery" and (outcome.recovery_s or 0.0) >= SAME_RECOVERY_RATIO * worst_s


def write_test(find: Find, files: HuntFiles, options: Options, geometry: Geometry) -> Path:
    """Write what was found as a pytest file; where it is. Raises OSError."""
    name = f"test_{geometry.scenario.name.replace('-', '_')}_hunt.py"
    path = Path(options.test) if options.test else (files.directory / name).resolve()
    is_file = Path(options.scenario).is_absolute()
    text = text_of(
        find,
        scenario=moved(geometry, options.scenario, find.smallest.start_s),
        relative=os.path.relpath(options.scenario, path.parent) if is_file else None,
        load=options.load,
        command=options.command,
        kept=os.path.relpath(files.kept(find.shown_by).resolve(), path.parent),
    )
    write_whole(path, text)
    return path
