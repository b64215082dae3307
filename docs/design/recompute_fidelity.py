"""Verdict: the published fidelity figures follow from the raw files alone.

    python docs/design/recompute_fidelity.py RUN_DIR        a run directory of `skyrack load`
    python docs/design/recompute_fidelity.py FILE.json      what `skyrack ping -o json` printed
    python docs/design/recompute_fidelity.py FILE.json FLOOR.json    the same beside a second one, such as the host's floor

Reads probes.jsonl (every probe: measured, computed), host.jsonl (what the kernel said about each second), fabric.jsonl
(cumulative counters) and history.jsonl (every operation), recomputes each figure of result.json and compares. Imports nothing
of Skyrack: the rules of docs/fidelity.md are written down here a second time, on purpose. Exit status 1 on a difference.
"""

import itertools
import json
import math
import sys
from pathlib import Path

# The bounds of a quiet second, as docs/fidelity.md states them.
MAX_STEAL = 0.001
MIN_IDLE = 0.2
MAX_CANARY_P99_S = 1e-3
MAX_PRESSURE = 0.2
MAX_FABRIC_WAIT = 0.01
WITHIN_S = 0.5e-3
LOST_AFTER_S, LOST_AFTER_RTTS = 1.0, 4.0
ORDERED_DROPS = ("loss", "queue")


def lines(path):
    """JSON lines of a file, none if it is not there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def nearest_rank(values, q):
    """The smallest value with at least a share q at or below it."""
    return sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1] if values else None


def is_quiet(window):
    """Whether a second counts."""
    pressure = window["pressure_ratio"]
    return (
        window["steal_ratio"] < MAX_STEAL
        and window["idle_ratio"] >= MIN_IDLE
        and window["canary_p99_s"] <= MAX_CANARY_P99_S
        and (pressure is None or pressure <= MAX_PRESSURE)
        and window["waits_ratio"].get("fabric", 1.0) <= MAX_FABRIC_WAIT
    )


def of_history(records, until_s):
    """Operations of a history that were meant to start before `until_s`: each an invocation joined with its end."""
    begun, operations = {}, []
    for record in records:
        if record.get("type") == "invoke":
            begun[record["op"]] = record
        elif "op" in record and (invoked := begun.pop(record["op"]))["intended_s"] < until_s:
            # A `fail` without an error is the service's own no: an answer.
            answered = record["type"] == "ok" or (record["type"] == "fail" and not record["error"])
            operations.append(
                {
                    "type": record["type"],
                    "intended_s": invoked["intended_s"],
                    "complete_s": record["time_s"],
                    "answered": answered,
                }
            )
    return operations


def figures(probes, covered, ordered_drops):
    """The published figures over probes whose flight is covered by quiet seconds."""
    errors, lost = [], 0
    for probe in probes:
        measured, computed = probe["measured_s"], probe["computed_s"]
        flight = measured if measured is not None else max(LOST_AFTER_S, LOST_AFTER_RTTS * (computed or 0.0))
        if computed is None or not covered(probe["t_s"], probe["t_s"] + flight):
            continue
        if measured is None:
            lost += 1
        else:
            errors.append(measured - computed)
    distances = [abs(error) for error in errors]
    return {
        "median_s": nearest_rank(distances, 0.5),
        "p99_s": nearest_rank(distances, 0.99),
        "within_500us_ratio": sum(d <= WITHIN_S for d in distances) / len(distances) if distances else None,
        "false_outages": max(0, lost - ordered_drops),
        "packets": len(errors),
    }


def dropped_as_ordered(readings):
    """Packets the fabric dropped or damaged because the scenario or a fault says so, between the first and the last reading."""
    total = 0
    for before, after in itertools.pairwise(readings):
        a, b = before.get("corrupted", 0), after.get("corrupted", 0)
        total += b - a if b >= a else b
        for reason in ORDERED_DROPS:
            a, b = before["drops"].get(reason, 0), after["drops"].get(reason, 0)
            total += b - a if b >= a else b
    return total


def of_run(run_dir):
    """Figures of a run directory, and the published ones."""
    published = json.loads((run_dir / "result.json").read_text())
    start_s = published["run"]["started_s"]
    operations = of_history(
        lines(run_dir / "history.jsonl"), start_s + published["run"]["workload"]["duration_s"]
    )
    end_s = max((op["complete_s"] for op in operations), default=start_s)
    windows = [w for w in lines(run_dir / "host.jsonl") if w["end_s"] > start_s and w["start_s"] <= end_s]
    quiet = {int(window["start_s"]) for window in windows if is_quiet(window)}

    def covered(first_s, last_s):
        return all(second in quiet for second in range(int(first_s), int(last_s) + 1))

    probes = [p for p in lines(run_dir / "probes.jsonl") if p["outcome"] not in ("unsent", "clock-set")]
    latencies = [op["complete_s"] - op["intended_s"] for op in operations if op["answered"]]
    found = {
        "fidelity": figures(probes, covered, dropped_as_ordered(lines(run_dir / "fabric.jsonl"))),
        "ops": {kind: sum(op["type"] == kind for op in operations) for kind in ("ok", "fail", "unknown")},
        "latency_s": {
            name: nearest_rank(latencies, q)
            for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
        },
        "host": {"windows": len(windows), "quiet_windows": len(quiet)},
    }
    return found, published


def of_ping(path):
    """Figures of `skyrack ping -o json`: all probes count, or those in quiet seconds where the file has windows."""
    document = json.loads(path.read_text())
    probes = [
        {
            "t_s": probe["t_s"],
            "measured_s": None if probe["measured_ms"] is None else probe["measured_ms"] / 1e3,
            "computed_s": None if probe["computed_ms"] is None else probe["computed_ms"] / 1e3,
        }
        for probe in document["probes"]
        if probe.get("outcome") not in ("unsent", "clock-set")
    ]
    windows = document.get("windows", [])
    quiet = {int(window["start_s"]) for window in windows if is_quiet(window)}

    def covered(first_s, last_s):
        return not windows or all(second in quiet for second in range(int(first_s), int(last_s) + 1))

    found = figures(probes, covered, 0)
    if windows:
        found |= {"windows": len(windows), "quiet_windows": len(quiet)}
    return found


def same(a, b):
    """Equal, to the rounding of a double."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
    return a == b


def main():
    """Recompute and compare, or just recompute."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    if not paths:
        sys.exit(__doc__)
    if not paths[0].is_dir():
        for path in paths:
            print(path)
            for name, value in of_ping(path).items():
                print(f"  {name:<22} {value}")
        return
    found, published = of_run(paths[0])
    differences = 0
    for group, values in found.items():
        for name, value in values.items():
            agrees = same(value, published[group][name])
            differences += not agrees
            print(
                f"{' ok ' if agrees else 'BAD '} {group}.{name:<22} {value}   published {published[group][name]}"
            )
    print(
        f"verdict {published['verdict']}: "
        + ("every figure follows from the raw files" if not differences else "differences")
    )
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
