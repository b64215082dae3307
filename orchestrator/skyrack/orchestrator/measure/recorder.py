"""Everything a measurement collects, streamed to the run directory and kept for the evaluation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrack.orchestrator.measure.fidelity import GUARD, Sample, reason_of
from skyrack.orchestrator.measure.host import Window
from skyrack.orchestrator.measure.operations import Operation
from skyrack.orchestrator.measure.prober import Probe
from skyrack.orchestrator.measure.tally import Tally
from skyrack.orchestrator.report.files import LineFile

_UNTOLD: dict[str, Any] = {
    "rtt_s": None,
    "path": [],
    "reason": f"{GUARD}: the run did not say what to expect",
    "kept_ratio": 1.0,
    "held_up_s": 0.0,
}


class Recorder:
    """Appends to probes.jsonl, host.jsonl and fabric.jsonl. Raises ReportError when they cannot be made.

    `final`: the load is over, and what operations still end are those of its final tasks: on no account but the history's.
    """

    def __init__(self, run_dir: Path, workload: str = "echo") -> None:
        self.final = False
        self.operations: list[Operation] = []
        self.counts = {"ok": 0, "fail": 0, "unknown": 0}
        self.failures: list[tuple[float, str, str]] = []
        self.samples: list[Sample] = []
        self.windows: list[Window] = []
        self.readings: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.unsent: dict[str, int] = {}
        self.tally = Tally(workload)
        self._probes = LineFile(run_dir / "probes.jsonl")
        self._host = LineFile(run_dir / "host.jsonl")
        self._fabric = LineFile(run_dir / "fabric.jsonl")

    @property
    def files(self) -> tuple[LineFile, ...]:
        """All files."""
        return self._probes, self._host, self._fabric

    @property
    def errors(self) -> list[str]:
        """What could not be written, once per file."""
        return [file.error for file in self.files if file.error is not None]

    def operation(self, line: Mapping[str, Any]) -> None:
        """An operation that has ended, as the generator tells of it."""
        if self.final:
            return
        operation = Operation(
            line["intended_s"], line["complete_s"], line["type"], line["node"], line["error"]
        )
        self.operations.append(operation)
        self.counts["ok" if operation.answered else operation.kind] += 1
        self.tally.operation(operation.kind, operation.latency_s)
        if not operation.answered:
            self.failures.append((operation.intended_s, operation.kind, operation.error))

    def probes(self, probes: Sequence[Probe], answers: Iterable[Mapping[str, Any]] | None) -> None:
        """Probes with the API's computed results, None when it did not answer. Unsent ones are only written down."""
        sent = [probe for probe in probes if probe.outcome != "unsent"]
        told = dict(zip((probe.seq for probe in sent), answers or [_UNTOLD] * len(sent), strict=True))
        lines = []
        for probe in probes:
            answer = told.get(probe.seq)
            line = dataclasses.asdict(probe)
            if answer is not None:
                reason = reason_of(probe.measured_s, answer)
                line |= {"computed_s": answer["rtt_s"], "path": answer["path"], "reason": reason}
                if probe.outcome != "clock-set":
                    self.samples.append(_sample(probe, answer, reason))
                    self.tally.probe(probe.measured_s, answer["rtt_s"])
            else:
                self.unsent[probe.note] = self.unsent.get(probe.note, 0) + 1
            lines.append(json.dumps(line))
        self._probes.write(lines)

    def window(self, line: Mapping[str, Any]) -> None:
        """A window of the host."""
        self._host.write([json.dumps(line)])
        self.windows.append(Window(**line))

    def reading(self, counters: dict[str, Any]) -> None:
        """Cumulative counters of the fabric."""
        self._fabric.write([json.dumps(counters)])
        self.readings.append(counters)

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()


def _sample(probe: Probe, answer: Mapping[str, Any], reason: str | None) -> Sample:
    return Sample(
        pair=f"{probe.a}>{probe.b}",
        t_s=probe.t_s,
        measured_s=probe.measured_s,
        computed_s=answer["rtt_s"],
        path=tuple(answer["path"]),
        reason=reason,
        kept_ratio=answer["kept_ratio"],
    )
