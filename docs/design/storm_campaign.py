"""Verdict: 256 outcomes came where 253.1 were expected (p = 0.87), each at its planned instant; all nodes came back, and no
process and no descriptor was left.

All 66 satellites of deploy/scenarios/storm.yaml have a process; a storm multiplies the harsh preset's rates by 300 for five
minutes of a run at speed 1, and the five after it are for reboots of one to five minutes to end. What is asked:

counts   each outcome came as often as the integral of its rate says: a two-sided exact test, twice the smaller tail of the
         Poisson distribution; and every single one at the instant and node that the plan had decided
rejoin   every node that was off, crashed or hung serves and is lit at the end; from the end of its reboot to its light
leaks    processes of the run, open descriptors and memory (PSS, and without what is of files) of orchestrator, fabric and
         zygote before and after

Run: python docs/design/storm_campaign.py [--for 640]      eleven minutes; writes docs/design/storm_campaign.tar.xz
     python docs/design/storm_campaign.py --again          what the kept file says, in seconds
     python docs/design/storm_campaign.py --calm           ten minutes without storm and radiation, for comparison
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from a_run import SCENARIOS, Event, Run, descendants, descriptors, place, pss_kib, what
from scipy.stats import poisson

from skyrack.orchestrator.environment.outcomes import OUTCOMES
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.radiation import RadiationSource
from skyrack.orchestrator.environment.spells import Spell, Spells
from skyrack.orchestrator.routing.plan import occurrence_records
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sources import sources_of

SCENARIO = SCENARIOS / "storm.yaml"
CALM = "extends: iridium\nname: calm\ninhabited: all\n"
KEPT = Path(__file__).with_suffix(".tar.xz")
SETTLE_S = 15.0
STORM_S = 40.0  # when it begins
PLANNER = "skyrack.orchestrator.runtime.plan_file"  # writes plan.jsonl while nobody else wants the CPU
LEAST_P = 0.001


# The run


def measured(run: Run) -> dict[str, Any]:
    """What the run has of the machine: processes by what they are, and descriptors and PSS of those that have to last."""
    state = run.status()
    below = {pid: module for pid in descendants(state["pid"]) if (module := what(pid)) != PLANNER}
    lasting = {"orchestrator": state["pid"], "fabric": state["fabric"]["pid"]}
    lasting |= {"zygote": next(pid for pid, module in below.items() if module == "skyrack.node.zygote")}
    nodes = [node["pid"] for node in state["nodes"] if node["state"] == "serving"]
    return {
        "run_s": round(state["run_s"], 3),
        "processes": dict(Counter(below.values())),
        "descriptors": {part: descriptors(pid) for part, pid in lasting.items()},
        "pss_kib": {part: pss_kib(pid) for part, pid in lasting.items()},
        "anon_kib": {part: pss_kib(pid, "Pss_Anon") for part, pid in lasting.items()},
        "nodes": {
            "serving": len(nodes),
            "descriptors": sum(map(descriptors, nodes)),
            "pss_kib": sum(map(pss_kib, nodes)),
            "anon_kib": sum(pss_kib(pid, "Pss_Anon") for pid in nodes),
        },
        "load": round(os.getloadavg()[0], 1),
    }


def campaign(for_s: float, scenario: Path | str) -> tuple[bytes, dict[str, Any]]:
    """Up, the storm, its aftermath, down; the events, and everything that is asked about."""
    print(f"{for_s:g} s", file=sys.stderr)
    with place() as run:
        run.start(scenario, "calm")
        before = measured(run)
        assert before["run_s"] < STORM_S, "the storm has begun before anything was measured: start again"
        run.wait_for("the end", lambda: run.status()["run_s"] > for_s, for_s + 60.0)
        run.wait_for("all serve", lambda: all(n["state"] == "serving" for n in run.status()["nodes"]))
        time.sleep(SETTLE_S)
        after = measured(run)
        radiation = run.status()["radiation"]
        run.skyrack("down")
        left = len(run.processes())
        facts = {"for_s": for_s, "before": before, "after": after, "radiation": radiation, "left": left}
        return (run.directory / "events.jsonl").read_bytes(), facts


def keep(files: Mapping[str, bytes]) -> None:
    """Into one archive."""
    with tarfile.open(KEPT, "w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def kept() -> tuple[list[Event], dict[str, Any]]:
    """Events and facts."""
    with tarfile.open(KEPT) as archive:
        events, facts = (archive.extractfile(name) for name in ("events.jsonl", "facts.json"))
        assert events is not None
        assert facts is not None
        return [json.loads(line) for line in events], dict(json.load(facts))


# What it says


def expected(geometry: Geometry, until_s: float) -> dict[str, float]:
    """Mean numbers of outcomes up to an instant of a run at speed 1."""
    (storm,) = geometry.scenario.faults.schedule
    factors = dict.fromkeys(range(geometry.n_sat), float(storm.entry()["factor"]))
    spells = Spells([Spell(storm.at_s, storm.at_s + (storm.for_s or 0.0), factors)])
    sources = sources_of(geometry, Passes(geometry), lambda: spells)
    (radiation,) = (source for source in sources if isinstance(source, RadiationSource))
    return radiation.expected(0.0, until_s)


def p_value(count: int, mean: float) -> float:
    """Two-sided, exact."""
    if mean == 0.0:
        return float(count == 0)
    return min(1.0, 2.0 * float(min(poisson.cdf(count, mean), poisson.sf(count - 1, mean))))


def judge() -> bool:
    """Print what was asked; whether all of it is as it has to be."""
    events, facts = kept()
    geometry = Geometry(load_scenario(str(SCENARIO)))
    last_s = facts["after"]["run_s"]
    began = [
        event
        for event in events
        if event["event"] == "fault_began"
        and event["cause"].startswith("radiation: ")
        and event["run_s"] < last_s
    ]
    came = Counter(event["cause"].removeprefix("radiation: ") for event in began)
    print("outcome     came  expected  two-sided p")
    good = True
    for outcome, mean in expected(geometry, last_s).items():
        if outcome in OUTCOMES:
            p = p_value(came[outcome], mean)
            good &= p > LEAST_P
            print(f"{outcome:10} {came[outcome]:5} {mean:9.2f} {p:12.3f}")
    mean = sum(mean for outcome, mean in expected(geometry, last_s).items() if outcome in OUTCOMES)
    print(f"{'all':10} {len(began):5} {mean:9.2f} {p_value(len(began), mean):12.3f}")
    upsets, minutes_s = facts["radiation"]["outcomes"]["upset"], last_s // 60 * 60
    mean = expected(geometry, minutes_s)["upset"]
    print(
        f"{'upset':10} {upsets:5} {mean:9.2f} {p_value(upsets, mean):12.3f}   corrected, counted by whole minutes"
    )
    good &= p_value(upsets, mean) > LEAST_P

    good &= as_planned(geometry, began, last_s)
    good &= rejoined([event for event in events if event["run_s"] < last_s])
    return leaks(facts) and good


def as_planned(geometry: Geometry, began: Sequence[Event], last_s: float) -> bool:
    """Whether everything came that was planned, and nothing else; how many at their very instant, and how late the others."""
    planned: dict[tuple[str, str], list[float]] = defaultdict(list)
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in occurrence_records(geometry, Passes(geometry), last_s):
        if record["cause"].startswith("radiation: "):
            planned[record["kind"], *record["nodes"]].append(record["run_s"])
    for event in began:
        seen[event["kind"], *event["on"]].append(event["run_s"])
    same = {key: len(instants) for key, instants in planned.items()} == {k: len(i) for k, i in seen.items()}
    if not same:
        print("not as planned")
        return False
    late_s = [b - a for key in planned for a, b in zip(planned[key], seen[key], strict=True)]
    late = [wait_s for wait_s in late_s if wait_s]
    told = f", the others at most {max(late) * 1e3:.0f} ms late" if late else ""
    print(f"as planned: all {len(late_s)}, {len(late_s) - len(late)} of them to the microsecond{told}")
    return True


def rejoined(events: Sequence[Event]) -> bool:
    """Whether all are back, and how soon after what kept them away had ended."""
    off: dict[str, set[str]] = defaultdict(set)  # nodes, and the reboots that keep them off
    free_s: dict[str, float] = {}
    waits_s: list[float] = []
    dark: set[str] = set()
    reboots = 0
    for event in events:
        match event["event"]:
            case "fault_began" if event["kind"] == "sefi":
                reboots += 1
                for node in event["on"]:
                    off[node].add(event["fault"])
                    free_s.pop(node, None)
            case "fault_ended" if event["kind"] == "sefi":
                for node in event["on"]:
                    off[node].discard(event["fault"])
                    if not off[node]:
                        free_s[node] = event["run_s"]
            case "node_dark":
                dark.add(event["node"])
            case "node_lit":
                dark.discard(event["node"])
                if (since_s := free_s.pop(event["node"], None)) is not None:
                    waits_s.append(event["run_s"] - since_s)
    exited = sum(event["event"] == "node_exited" for event in events)
    away = {node for node, faults in off.items() if faults} | dark
    print(
        f"reboots: {reboots}, in {len(waits_s)} absences of {len(off)} nodes; process ends of nodes: {exited}; "
        f"away at the end: {len(away)}"
    )
    if waits_s:
        print(
            f"lit after the end of an absence: median {statistics.median(waits_s):.2f} s, most {max(waits_s):.2f} s"
        )
    return not away


def leaks(facts: Mapping[str, Any]) -> bool:
    """Whether before and after are the same, but for memory, which is shown."""
    before, after = facts["before"], facts["after"]
    print(f"{'':50}{'before':>9}{'after':>9}   load {before['load']}, {after['load']}")
    for module in sorted(before["processes"].keys() | after["processes"].keys()):
        counts = [found["processes"].get(module, 0) for found in (before, after)]
        print(f"processes {module:40}{counts[0]:9}{counts[1]:9}")
    for sort in ("descriptors", "pss_kib", "anon_kib"):
        for part, value in before.get(sort, {}).items():
            print(f"{sort} {part:{49 - len(sort)}}{value:9}{after[sort][part]:9}")
        if sort in before["nodes"]:
            print(f"{sort} {'all nodes':{49 - len(sort)}}{before['nodes'][sort]:9}{after['nodes'][sort]:9}")
    print(f"processes left after skyrack down: {facts['left']}")
    return bool(before["nodes"]["serving"] == after["nodes"]["serving"]) and not facts["left"]


def main() -> int:
    """Exit status 3 where something is not as it has to be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--for", dest="for_s", type=float, default=640.0, help="seconds of the run")
    parser.add_argument("--again", action="store_true", help="judge what was kept")
    parser.add_argument("--calm", action="store_true", help="without storm and radiation, for comparison")
    options = parser.parse_args()
    if options.calm:
        leaks(campaign(options.for_s, CALM)[1])
        return 0
    if not options.again:
        events, facts = campaign(options.for_s, SCENARIO)
        keep({"events.jsonl": events, "facts.json": json.dumps(facts, indent=1).encode()})
    good = judge()
    print("ok" if good else "bad")
    return 0 if good else 3


if __name__ == "__main__":
    sys.exit(main())
