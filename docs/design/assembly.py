"""Verdict: a cluster of etcd grows from 1 to 5 members as modules dock, under load: nothing is lost, no client notices.

A module is linked 1.0-1.9 s after it has docked (its laser's acquisition), and a member of the cluster 1.7-3.8 s after. No
acknowledged write of 2,790 was lost in any of four runs, the loss of the core module and its leader at the end included, which
costs 2.0 s.

deploy/scenarios/assembly.yaml: a core module in orbit with one member of etcd on it, a client on the ground that writes through
every pass, and four modules that two more launches bring. Each of them docks, is linked, starts, and joins: 1, 3, 5 members.
Then the core module is lost.

Run: python docs/design/assembly.py [learner | voter]...     two minutes each; needs etcd-server and etcd-client
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from itertools import pairwise

from a_run import SCENARIOS, Run, up

SCENARIO = SCENARIOS / "assembly.yaml"
MODULES = ("p0s00", "p0s01", "p0s02", "p0s03", "p0s04")
LAUNCHES = (("second", MODULES[1:3]), ("third", MODULES[3:]))
LOAD_S, LOSS_S, LIMIT_S = 150.0, 130.0, 80.0  # of the load's span
RATE_HZ = 50


def scenario(mode: str) -> str:
    """Its text."""
    text = SCENARIO.read_text("utf-8")
    return text if mode == "learner" else text.replace("LEARNER: --learner", 'LEARNER: ""')


def ready_s(run: Run) -> dict[str, float]:
    """When each member has become ready first."""
    found: dict[str, float] = {}
    for event in run.events("service_ready"):
        found.setdefault(event["node"], event["run_s"])
    return found


def show(run: Run, linked_s: Mapping[str, float], core_lost_s: float) -> None:
    """Modules from docking to membership, and what the client noticed meanwhile."""
    docked_s = {
        n: e["run_s"] for e in run.events("launch_phase") if e["phase"] == "in service" for n in e["on"]
    }
    serving_s = {event["node"]: event["run_s"] for event in run.events("node_serving")}
    member_s = ready_s(run)
    print("module  docked at s  linked after s  process after s  member after s")
    for name in MODULES[1:]:
        after = [of[name] - docked_s[name] for of in (linked_s, serving_s, member_s)]
        print(f"{name:7} {docked_s[name]:11.1f}  {after[0]:14.2f}  {after[1]:15.2f}  {after[2]:14.2f}")
    done = run.operations()
    marks = {
        "1 member": done[0].at_s,
        "1 to 3 members": docked_s[MODULES[1]],
        "3 members": max(member_s[name] for name in MODULES[1:3]),
        "3 to 5 members": docked_s[MODULES[3]],
        "5 members": max(member_s[name] for name in MODULES[3:]),
        "core lost, 4 of 5": core_lost_s,
    }
    print("phase               operations  answered  p50 ms  p99 ms  longest without an answer s")
    ends = sorted((one.at_s + one.took_s, one.took_s) for one in done if one.outcome != "unknown")
    gaps = [(after, after - before) for (before, _), (after, _) in pairwise(ends)]
    for (name, from_s), (_, to_s) in pairwise([*marks.items(), ("end", float("inf"))]):
        part = [one.outcome for one in done if from_s <= one.at_s < to_s]
        took_s = sorted(took for at, took in ends if from_s <= at < to_s) or [0.0]
        gap_s = max((gap for at, gap in gaps if from_s <= at < to_s), default=0.0)
        print(
            f"{name:18}  {len(part):10}  {len(part) - part.count('unknown'):8}  {took_s[len(took_s) // 2] * 1e3:6.1f}  "
            f"{took_s[int(len(took_s) * 0.99)] * 1e3:6.1f}  {gap_s:27.2f}"
        )


def measure(mode: str) -> int:
    """One run; the status of its load."""
    print(f"{mode}s: modules join as {mode}s")
    with up(scenario(mode), "assembly") as run:
        words = [
            "load",
            "kv",
            "--adapter",
            "etcd",
            "--service",
            "etcd",
            "--at",
            "svalbard",
            "--rate",
            str(RATE_HZ),
        ]
        words += [word for name in MODULES[:2] for word in ("--to", name)]
        load = run.begin(*words, "--for", f"{LOAD_S:g}s")
        began_s, api = time.monotonic(), run.api()
        linked_s: dict[str, float] = {}
        time.sleep(3.0)
        for name, modules in LAUNCHES:
            print(run.skyrack("launch", name).strip())
            until_s = time.monotonic() + LIMIT_S
            while not set(modules) <= ready_s(run).keys() & linked_s.keys():
                if time.monotonic() > until_s:
                    raise SystemExit(f"{', '.join(modules)}: no members within {LIMIT_S:g} s")
                for module in modules:
                    way = api.get(f"/v1/path?from={MODULES[0]}&to={module}")
                    if way["in_force"]:
                        linked_s.setdefault(module, way["run_s"])
                time.sleep(0.05)
        time.sleep(max(3.0, began_s + LOSS_S - time.monotonic()))
        lost = json.loads(run.skyrack("fault", "add", "lost", "--node", MODULES[0], "-o", "json"))
        said, _ = load.communicate()
        show(run, linked_s, lost["at_s"])
        for name in MODULES[1:]:
            keys = run.skyrack("exec", name, "--", "etcdctl", "get", "", "--prefix", "--keys-only")
            print(f"{name} has {len(keys.split())} keys")
        print(said.strip())
    return load.returncode


def main() -> None:
    modes = sys.argv[1:] or ["learner", "voter"]
    if wrong := [mode for mode in modes if mode not in ("learner", "voter")]:
        raise SystemExit(f"{wrong[0]}: expected learner or voter")
    sys.exit(max(measure(mode) for mode in modes))


if __name__ == "__main__":
    main()
