"""`skyrack load echo`: run, evaluate, and leave the results in the run directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import counters, fidelity, host, operations
from skyrack.orchestrator.measure.echo_run import EchoRun, LoadError
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.verdict import Decision, Verdict, decide
from skyrack.orchestrator.measure.workload import Api, Fault, Progress, Workload
from skyrack.orchestrator.report import files, result, terminal
from skyrack.orchestrator.report.html import Page, page

__all__ = ["EchoResult", "Fault", "LoadError", "Progress", "Workload", "run_echo_load"]


@dataclass(frozen=True, slots=True)
class EchoResult:
    """What came of it. `problems`: files that could not be written, for stderr. `interrupted`: exit with 130."""

    verdict: Verdict
    result: Mapping[str, Any]
    run_dir: Path
    interrupted: bool
    problems: tuple[str, ...]

    def text(self, *, colour: bool = False) -> str:
        """The verdict for a terminal."""
        return terminal.render(self.result, colour=colour)


def run_echo_load(
    api: Api,
    status: Mapping[str, Any],
    workload: Workload,
    faults: Sequence[Fault],
    run_dir: Path,
    progress: Callable[[Progress], None],
) -> EchoResult:
    """Run `workload` on a run that is up, with its `GET /v1/status`; takes its duration and a few seconds.

    Results of an earlier workload in `run_dir` are set aside first. Raises LoadError and ReportError before
    anything ran; afterwards a file that cannot be written is a problem of the result, never the loss of it.
    """
    files.set_aside(run_dir)
    recorder = Recorder(run_dir)
    try:
        run = EchoRun(api, status, workload, faults, recorder, progress)
        run.run()
    except ApiError as error:
        raise LoadError(str(error)) from error
    finally:
        recorder.close()
    return _conclude(run, recorder, status, workload, faults, run_dir)


def _conclude(
    run: EchoRun,
    recorder: Recorder,
    status: Mapping[str, Any],
    workload: Workload,
    faults: Sequence[Fault],
    run_dir: Path,
) -> EchoResult:
    decision, found = _evaluate(run, recorder, status, workload)
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
            "workload": asdict(workload),
            "faults": [asdict(fault) for fault in faults],
            "scheduler": status["fabric"].get("scheduler"),
            "unsent_probes": recorder.unsent,
            "interrupted": run.interrupted,
        },
        convergence=[event for event in recorder.events if event["event"] == "convergence"],
    )
    problems = list(recorder.errors)
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
    return EchoResult(decision.verdict, document, run_dir, run.interrupted, tuple(problems))


def _evaluate(
    run: EchoRun, recorder: Recorder, status: Mapping[str, Any], workload: Workload
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
        thresholds=operations.judge(workload.thresholds, recorder.operations, quiet),
        within_500us_limit=workload.thresholds.get("fidelity_within_500us_ratio"),
        speed=status["speed"],
        doubts=[*run.doubts, *recorder.errors],
    )
    return decision, (figures, summary, fabric)
