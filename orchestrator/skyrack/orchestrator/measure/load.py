"""`skyrack load`: run, evaluate, and leave the results in the run directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import counters, fidelity, host, judge, operations
from skyrack.orchestrator.measure.load_run import FaultRefused, LoadError, LoadRun
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.timing import untimed
from skyrack.orchestrator.measure.verdict import Decision, Verdict, decide
from skyrack.orchestrator.measure.workload import Api, EchoLoad, Fault, Load, Progress, StoreLoad
from skyrack.orchestrator.report import files, result, terminal
from skyrack.orchestrator.report.html import Page, page

__all__ = [
    "EchoLoad",
    "Fault",
    "FaultRefused",
    "LoadError",
    "LoadResult",
    "Progress",
    "StoreLoad",
    "run_load",
]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of it. `problems`: files that could not be written, for stderr. `interrupted`: exit with 130."""

    verdict: Verdict
    result: Mapping[str, Any]
    run_dir: Path
    interrupted: bool
    problems: tuple[str, ...]

    @property
    def history(self) -> Path:
        """Every operation."""
        return self.run_dir / "history.jsonl"

    def text(self, *, colour: bool = False) -> str:
        """The verdict for a terminal."""
        return terminal.render(self.result, colour=colour)


def run_load(
    api: Api,
    status: Mapping[str, Any],
    load: Load,
    faults: Sequence[Fault],
    run_dir: Path,
    progress: Callable[[Progress], None],
) -> LoadResult:
    """Run `load` on a run that is up, with its `GET /v1/status`; takes its duration and a few seconds.

    Results of an earlier load in `run_dir` are set aside first. Raises LoadError and ReportError before anything ran;
    afterwards a file that cannot be written is a problem of the result, never the loss of it.
    """
    files.set_aside(run_dir)
    recorder = Recorder(run_dir, load.kind)
    try:
        run = LoadRun(api, status, load, run_dir / "history.jsonl", faults, recorder, progress)
        run.run()
    except ApiError as error:
        raise LoadError(str(error)) from error
    finally:
        recorder.close()
    return _conclude(run, recorder, status, load, faults, run_dir)


def _conclude(
    run: LoadRun,
    recorder: Recorder,
    status: Mapping[str, Any],
    load: Load,
    faults: Sequence[Fault],
    run_dir: Path,
) -> LoadResult:
    problems = [run.failure] if run.failure else []
    judged = None
    if isinstance(load, StoreLoad):
        judged = judge.judge_history(run_dir / "history.jsonl", load, recorder.events)
    decision, found = _evaluate(run, recorder, status, load, judged)
    document = result.build(
        decision,
        recorder.operations,
        *found,
        run={
            "name": status["name"],
            "run": status["run"],
            "start": status["start"],
            "speed": status["speed"],
            "started_s": run.started_s,
            "workload": load.as_mapping(),
            "faults": [asdict(fault) for fault in faults],
            "scheduler": status["fabric"].get("scheduler"),
            "unsent_probes": recorder.unsent,
            "interrupted": run.interrupted,
        },
        convergence=[event for event in recorder.events if event["event"] == "convergence"],
        history=None if judged is None else judged.report,
    )
    problems += recorder.errors
    report = page(
        Page(
            result=document,
            status=status,
            operations=recorder.operations,
            failures=recorder.failures,
            samples=recorder.samples,
            windows=recorder.windows,
            events=recorder.events,
        )
    )
    for name, text in (("result.json", result.dump(document)), ("report.html", report)):
        try:
            files.write_whole(run_dir / name, text)
        except files.ReportError as error:
            problems.append(str(error))
    return LoadResult(decision.verdict, document, run_dir, run.interrupted, tuple(problems))


def _evaluate(
    run: LoadRun,
    recorder: Recorder,
    status: Mapping[str, Any],
    load: Load,
    judged: judge.Judged | None,
) -> tuple[Decision, tuple[fidelity.Fidelity, host.HostSummary, counters.FabricFigures]]:
    last_s = max((operation.complete_s for operation in recorder.operations), default=run.started_s)
    windows = [w for w in recorder.windows if w.end_s > run.started_s and w.start_s <= last_s]
    quiet = host.QuietTimes(windows)
    fabric = counters.figures(recorder.readings, quiet, recorder.events)
    figures = fidelity.evaluate(
        recorder.samples,
        quiet,
        ordered_drops=fabric.ordered_drops,
        admitted_s=fabric.lateness_p50_s or 0.0,
    )
    summary = host.summarise(windows)
    decision = decide(
        fidelity=figures,
        host=summary,
        fabric=fabric,
        thresholds=operations.judge(load.thresholds, recorder.operations, quiet),
        within_500us_limit=load.thresholds.get("fidelity_within_500us_ratio"),
        untimed=untimed(status["speed"], recorder.events),
        doubts=[*run.doubts, *recorder.errors, *(judged.doubts if judged else ())],
        broken=judged.broken if judged else (),
    )
    return decision, (figures, summary, fabric)
