"""Verdict: 60 satellites join a running constellation, each within 0.6 s of being let in, and the longest silence for clients
is 0.2 s; 40 of them are lost at once, and it is 0.3 s. Nothing that was acknowledged is lost.

deploy/scenarios/launch.yaml: 96 satellites in service, eight of them with a process, and clients of an etcd at four gateways;
60 satellites with a process each are launched, and later 40 of them are lost.

Run: python docs/design/launch_under_load.py [--seed 1]     three minutes; needs etcd
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from a_run import ROOT, SCENARIOS, Run, descriptors, place, pss_kib

BATCH, LOST = "v3-1", 40
LOAD_S, LAUNCH_S, LOSS_S = 150.0, 10.0, 120.0  # of the load's span
QUARTERS = ("before", "launch", "with 60 more", "after the loss")


class Weight(NamedTuple):
    """What the processes of the run take. PSS."""

    processes: int
    memory_mb: float
    descriptors: int


def weigh(run: Run) -> Weight:
    """Now; those that end meanwhile do not count."""
    found = []
    for pid in run.processes():
        with suppress(OSError):
            found.append((pss_kib(pid), descriptors(pid)))
    return Weight(len(found), sum(kib for kib, _ in found) / 1024, sum(count for _, count in found))


def serving(run: Run) -> int:
    """How many nodes serve."""
    return sum(node["inhabited"] and node["state"] == "serving" for node in run.status()["nodes"])


def show(run: Run, before: Weight, during: Weight, after: Weight) -> None:
    """The figures."""
    ordered_s = run.events("launch_ordered")[0]["run_s"]
    phases = run.events("launch_phase")
    first_s = min(event["run_s"] for event in phases if event["phase"] == "in service")
    batch = {node for event in phases for node in event["on"]}
    serving_s = {e["node"]: e["run_s"] for e in run.events("node_serving") if e["node"] in batch}
    let_in_s = {node: e["run_s"] for e in phases if e["phase"] == "in service" for node in e["on"]}
    waits = sorted(serving_s[node] - let_in_s[node] for node in serving_s)
    lost = next(event for event in run.events("fault_began") if event["kind"] == "lost")
    print(f"ordered at {ordered_s:.1f} s, first in service at {first_s:.1f} s, all {len(serving_s)} serve at "
          f"{max(serving_s.values()):.1f} s; from in service to serving median {waits[len(waits) // 2]:.2f}, most "
          f"{waits[-1]:.2f} s")  # fmt: skip
    for name, weight in (("before", before), ("with 60 more", during), ("after the loss", after)):
        print(
            f"{name:16} {weight.processes} processes, {weight.memory_mb:,.0f} MB, {weight.descriptors:,} descriptors"
        )
    cuts_s = [0.0, ordered_s, max(serving_s.values()), lost["run_s"], float("inf")]
    operations = run.operations()
    for name, (from_s, to_s) in zip(QUARTERS, pairwise(cuts_s), strict=True):
        part = [one for one in operations if from_s <= one.at_s < to_s]
        took_s = sorted(one.took_s for one in part if one.answered)
        ends_s = sorted(one.at_s + one.took_s for one in part if one.answered)
        gap_s = max((b - a for a, b in pairwise(ends_s)), default=0.0)
        bad = sum(not one.answered for one in part)
        print(f"{name:16} {len(part):5} operations, {bad} not answered, p50 {took_s[len(took_s) // 2] * 1e3:.0f} ms, p99 "
              f"{took_s[int(len(took_s) * 0.99)] * 1e3:.0f} ms, longest silence {gap_s:.2f} s")  # fmt: skip
    for event in run.events("convergence"):
        if event["since_s"] >= lost["run_s"] - 0.01 and event["change"] == "loss":
            print(f"the loss: noticed after {event['detected_after_s']} s, the last informed after "
                  f"{event['last_informed_after_s']} s, packets lost {event['packets_dropped']}")  # fmt: skip
            break


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    with place() as run:
        began_s = time.monotonic()
        run.start(SCENARIOS / "launch.yaml")
        print(f"up after {time.monotonic() - began_s:.1f} s")
        words = ["load", "kv", "--adapter", "etcd", "--service", "etcd", "--rate", "50", "--clients", "40"]
        for member in ("p0s00", "p2s04", "p4s08", "p6s02"):
            words += ["--to", member]
        words += ["--for", f"{LOAD_S:g}s", "--seed", given.seed]
        before = weigh(run)
        load = run.begin(*words)
        began_s = time.monotonic()
        time.sleep(LAUNCH_S)
        print(run.skyrack("launch", BATCH).strip())
        run.wait_for("72 nodes serve", lambda: serving(run) >= 72, 100.0)
        time.sleep(max(0.0, began_s + LOSS_S - 5.0 - time.monotonic()))
        during = weigh(run)
        time.sleep(max(0.0, began_s + LOSS_S - time.monotonic()))
        run.skyrack("fault", "add", "lost", "--node", f"random:{LOST}:batch:{BATCH}")
        time.sleep(5.0)
        after = weigh(run)
        said, _ = load.communicate()
        show(run, before, during, after)
        print(run.skyrack("launch").strip())
        print(said.strip())
        run.keep(ROOT / "runs" / "launch", "history.jsonl", "events.jsonl", "result.json")
    sys.exit(load.returncode)


if __name__ == "__main__":
    main()
