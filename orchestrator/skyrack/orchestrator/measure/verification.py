"""`skyrack verify`: measure, judge, and leave the results in the run directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiError
from skyrack.orchestrator.measure import conformance, counters, fidelity, host, rate_rows
from skyrack.orchestrator.measure.link_delays import planned_delays_s
from skyrack.orchestrator.measure.rate_rows import Pair
from skyrack.orchestrator.measure.recorder import Recorder
from skyrack.orchestrator.measure.timing import untimed
from skyrack.orchestrator.measure.verdict import Verdict, decide
from skyrack.orchestrator.measure.verify_run import FLOOR, Floor, VerifyError, VerifyRun
from skyrack.orchestrator.measure.verify_verdict import conclude
from skyrack.orchestrator.measure.workload import Api
from skyrack.orchestrator.report import files, result
from skyrack.orchestrator.timeline import Piece, Timeline

__all__ = ["Floor", "Verified", "VerifyError", "verify"]

RESULT = "verify.json"


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of it. `problems`: files that could not be written. `interrupted`: by Ctrl-C; what there is, is judged."""

    verdict: Verdict
    document: Mapping[str, Any]
    interrupted: bool
    problems: tuple[str, ...]


def verify(
    api: Api,
    status: Mapping[str, Any],
    pairs: Sequence[Pair],
    floor: Floor | None,
    rate_hz: float,
    duration_s: float,
    progress: Callable[[str, float, float], None],
) -> Verified:
    """Verify a run that is up, with its `GET /v1/status`. Raises VerifyError and ReportError when it cannot begin."""
    run_dir = Path(status["run_dir"])
    files.set_aside(run_dir)
    recorder = Recorder(run_dir)
    run = VerifyRun(api, status, recorder, pairs, floor, rate_hz, duration_s, progress)
    try:
        run.run()
    except ApiError as error:
        raise VerifyError(str(error)) from error
    finally:
        recorder.close()
    document = _judged(run, recorder, status, pairs, _orbit_s(api, run.ended_s))
    document["run"] |= {"rate_hz": rate_hz, "duration_s": duration_s}
    problems = list(recorder.errors)
    try:
        files.write_whole(run_dir / RESULT, result.dump(document))
    except files.ReportError as error:
        problems.append(str(error))
    return Verified(Verdict(document["verdict"]), document, run.interrupted, tuple(problems))


def _orbit_s(api: Api, run_s: float) -> float:
    """Orbit time at a time of the run. Raises VerifyError."""
    try:
        pieces = api.get("/v1/clock")["pieces"]
    except ApiError as error:
        raise VerifyError(str(error)) from error
    return Timeline(1.0, [Piece(**piece) for piece in pieces]).t_s(run_s)


def _judged(
    run: VerifyRun,
    recorder: Recorder,
    status: Mapping[str, Any],
    pairs: Sequence[Pair],
    ended_t_s: float,
) -> dict[str, Any]:
    """verify.json: keys may be added, never changed."""
    windows = [w for w in recorder.windows if w.end_s > run.started_s and w.start_s <= run.ended_s]
    quiet, summary = host.QuietTimes(windows), host.summarise(windows)
    fabric = counters.figures(recorder.readings, quiet, recorder.events)
    admitted_s = fabric.lateness_p50_s or 0.0
    over_floor = [sample for sample in recorder.samples if sample.pair.startswith(FLOOR)]
    samples = [sample for sample in recorder.samples if not sample.pair.startswith(FLOOR)]
    figures = fidelity.evaluate(samples, quiet, ordered_drops=fabric.ordered_drops, admitted_s=admitted_s)
    floor = fidelity.evaluate(over_floor, quiet) if over_floor else None
    rows = conformance.rows(
        samples,
        quiet,
        pairs=[f"{a}>{b}" for a, b in pairs],
        spacing_s=run.spacing_s,
        link_delay_s=planned_delays_s(Path(status["run_dir"]) / "scenario.yaml", ended_t_s),
        admitted_s=admitted_s,
        noise_s=conformance.unsorted(over_floor).p99_s,
    )
    rows += rate_rows.way_rows(run.crossings)
    rows += [rate_rows.train_row(pair, crossing) for pair, crossing in run.trains]
    decision = conclude(
        decide(
            fidelity=figures,
            host=summary,
            fabric=fabric,
            untimed=untimed(status["speed"], recorder.events),
            doubts=[*run.doubts, *recorder.errors],
        ),
        rows,
        figures,
        floor,
    )
    return {
        "verdict": decision.verdict.value,
        "checks": [asdict(check) for check in decision.checks],
        "reasons": list(decision.reasons),
        "rows": [asdict(row) for row in rows],
        "fidelity": asdict(figures),
        "all_seconds": {
            "mesh": asdict(conformance.unsorted(samples)),
            "floor": asdict(conformance.unsorted(over_floor)) if over_floor else None,
        },
        "floor": asdict(floor) if floor is not None else None,
        "host": asdict(summary),
        "fabric": asdict(fabric),
        "run": {
            "name": status["name"],
            "run": status["run"],
            "start": status["start"],
            "speed": status["speed"],
            "scheduler": status["fabric"].get("scheduler"),
            "spacing_s": run.spacing_s,
            "interrupted": run.interrupted,
        },
    }
