"""Verdict: a pause, another speed and a jump interrupt nobody, and no packet that is under way is lost to them.

Loads run on a run that is up (deploy/scenarios/register.yaml: a replicated register of three members in three planes, and
gRPC echo between pairs of nodes), while the clock is paused, goes faster and jumps. For each: what became of the operations,
the longest time in which none was answered, how long answers took before, during and after, and what the probes beside them
say: those that were under way as the clock changed are told apart, all others are held against the computed delay. Figures
of probes are over all seconds, quiet or not, so that the script says something on a busy host, too.

    skyrack up -d deploy/scenarios/register.yaml
    python docs/design/clock_under_load.py
    python docs/design/clock_under_load.py --under-way     # probes that fly while the clock jumps, and nothing else
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from a_run import SKYRACK, Run, lines, the_run

from skyrack.orchestrator.api.client import ApiClient

FOR_S = 18.0
RATE_HZ = 50
SETTLE_S = 0.5  # before a change and after it, operations that were under way then count as neither
LOADS = {
    "kv": ("kv", "--adapter", "grpc", "--service", "register", "--timeout", "5s"),
    "echo": ("echo", "--timeout", "5s"),
}
PAUSE, RESUME = {"action": "pause"}, {"action": "resume"}
# What is done, and the seconds of the load at which.
STORIES: dict[str, list[tuple[float, dict[str, Any]]]] = {
    "nothing": [],
    "pause, resume": [(6.0, PAUSE), (12.0, RESUME)],
    "speed 60, speed 1": [(6.0, {"action": "speed", "speed": 60}), (12.0, {"action": "speed", "speed": 1})],
    "speed 1000, speed 1": [
        (6.0, {"action": "speed", "speed": 1000}),
        (12.0, {"action": "speed", "speed": 1}),
    ],
    "jump 20m": [(9.0, {"action": "jump", "by_s": 1200})],
    "six jumps of 7m": [(6.0 + 1.2 * i, {"action": "jump", "by_s": 420}) for i in range(6)],
}
GUARD = "guard: the clock"


def tell(api: ApiClient, history: Path, before: int, story: Sequence[tuple[float, dict[str, Any]]]) -> None:
    """Change the clock when the load has come so far."""
    while True:  # until the load of this story has begun: its history is another file
        found = history.exists() and history.stat().st_ino != before and lines(history)
        if found and len(found) > 1:
            break
        time.sleep(0.05)
    start_s = found[1]["intended_s"]
    for at_s, body in story:
        while api.get("/v1/clock")["run_s"] < start_s + at_s:
            time.sleep(0.01)
        api.post("/v1/clock", body)


def measure(
    run: Run, api: ApiClient, load: str, story: Sequence[tuple[float, dict[str, Any]]]
) -> dict[str, Any]:
    """One load with one story."""
    history = run.directory / "history.jsonl"
    before = history.stat().st_ino if history.exists() else 0
    teller = threading.Thread(target=tell, args=(api, history, before, story))
    teller.start()
    command = [
        SKYRACK,
        "load",
        *LOADS[load],
        "--for",
        f"{FOR_S:g}s",
        "--rate",
        str(RATE_HZ),
        "--p99-ms",
        "5000",
    ]
    said = subprocess.run(
        [*command, "-o", "json"], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    teller.join()
    result = json.loads(said.stdout)
    operations, ended = {}, {}
    for line in lines(history)[1:]:
        if "op" in line:
            (operations if line["type"] == "invoke" else ended)[line["op"]] = line
    ends = {op: one for op, one in ended.items() if op in operations}
    start_s = min(one["intended_s"] for one in operations.values())
    mine = {op for op, one in operations.items() if one["intended_s"] < start_s + FOR_S}
    took = [
        (operations[op]["intended_s"] - start_s, ends[op]["time_s"] - operations[op]["intended_s"])
        for op in mine
        if op in ends and ends[op]["type"] == "ok"
    ]
    answers_s = sorted(ends[op]["time_s"] for op in mine if op in ends and ends[op]["type"] == "ok")
    at_s = [at for at, _ in story] or [FOR_S / 2]
    probes = [probe for probe in lines(run.directory / "probes.jsonl") if "reason" in probe]
    judged = [probe for probe in probes if probe["reason"] is None and probe["computed_s"] is not None]
    errors_ms = sorted(
        1e3 * (probe["measured_s"] - probe["computed_s"])
        for probe in judged
        if probe["measured_s"] is not None
    )
    return {
        "operations": len(mine),
        "ok": len(took),
        "fail": sum(ends[op]["type"] == "fail" for op in mine if op in ends) - (result["refused"] or 0),
        "unknown": sum(ends[op]["type"] not in ("ok", "fail") for op in mine if op in ends),
        "gap_s": max(b - a for a, b in pairwise(answers_s)),
        "p50_ms": [
            _median_ms([s for begun, s in took if first <= begun < last])
            for first, last in (
                (1.0, at_s[0] - SETTLE_S),
                (at_s[0] + SETTLE_S, at_s[-1] - SETTLE_S),
                (at_s[-1] + SETTLE_S, FOR_S),
            )
        ],
        "probes": len(probes),
        "judged": len(judged),
        "across": sum((probe["reason"] or "").startswith(GUARD) for probe in probes),
        "lost": sum(probe["measured_s"] is None for probe in judged),
        "error_p50_ms": statistics.median(errors_ms) if errors_ms else None,
        "within": sum(abs(one) < 0.5 for one in errors_ms) / len(errors_ms) if errors_ms else None,
        "verdict": result["verdict"],
        "why": next((why for why in result["reasons"] if "thresholds" in why), ""),
        "checks": {check["name"]: check["verdict"] for check in (result["history"] or {}).get("checks", [])},
    }


def _median_ms(spans_s: Sequence[float]) -> float | None:
    return 1e3 * statistics.median(spans_s) if len(spans_s) > 5 else None


def _text(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def row(load: str, story: str, found: dict[str, Any]) -> str:
    """A row of the table in docs/17-clock.md."""
    p50 = ", ".join(_text(one) for one in found["p50_ms"])
    probes = f"{found['judged']} judged, {found['across']} across a change, {found['lost']} lost"
    error = f"{_text(found['error_p50_ms'], 2)} ms, {_text(100 * (found['within'] or 0.0), 1)} %"
    cells = (
        load,
        story,
        f"{found['operations']}: {found['ok']}, {found['fail']}, {found['unknown']}",
        f"{found['gap_s']:.2f} s",
        p50,
        probes,
        error,
        found["verdict"],
    )
    return f"| {' | '.join(cells)} |"


def under_way(api: ApiClient) -> str:
    """What becomes of probes that fly while the clock jumps."""
    drops = api.get("/v1/fabric")["drops"]
    command = [SKYRACK, "ping", "london", "tokyo", "-c", "6000", "-i", "2ms", "-o", "json"]
    pinging = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.append(pinging.communicate()[0]))
    reader.start()
    jumps_s = []
    while reader.is_alive():
        jumps_s.append(api.post("/v1/clock", {"action": "jump", "by_s": 600})["changed"]["after"]["run_s"])
        reader.join(0.4)
    probes = json.loads(said[0])["probes"]
    first_s, last_s = probes[0]["t_s"], probes[-1]["t_s"]
    jumps_s = [at_s for at_s in jumps_s if first_s < at_s < last_s]
    flew = [
        probe
        for probe in probes
        if any(probe["t_s"] < at_s < probe["t_s"] + (probe["measured_ms"] or 1e3) / 1e3 for at_s in jumps_s)
    ]
    dropped = {
        name: n - drops[name] for name, n in api.get("/v1/fabric")["drops"].items() if n != drops[name]
    }
    lost = sum(probe["measured_ms"] is None for probe in flew)
    flown = f"{len(jumps_s)} jumps, {len(flew)} of {len(probes)} probes under way at one"
    return f"{flown}, {lost} of them lost; dropped by the fabric: {dropped or 'nothing'}"


def main() -> None:
    """Every load with every story, or those that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--under-way", action="store_true")
    parser.add_argument("--load", action="append", choices=list(LOADS))
    parser.add_argument("--story", action="append", choices=list(STORIES))
    chosen = parser.parse_args()
    run = the_run()
    api = run.api()
    if chosen.under_way:
        print(under_way(api))
        return
    print(
        "| load | clock | operations: answered, failed, unknown | longest without an answer | p50 before, during, after, ms |"
        " probes | measured - computed: median, within 0.5 ms | verdict |"
    )
    print("|---|---|---|---|---|---|---|---|")
    whys = []
    for load in chosen.load or LOADS:
        for story in chosen.story or STORIES:
            found = measure(run, api, load, STORIES[story])
            print(row(load, story, found), flush=True)
            whys.append(
                f"{load}, {story}: {found['why'] or 'no reason that has to do with the clock'} {found['checks']}"
            )
    print(*whys, sep="\n")


if __name__ == "__main__":
    main()
