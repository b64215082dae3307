"""Verdict: 60 satellites join a running constellation, each within 0.6 s of being let in, and the longest silence for clients
is 0.2 s; 40 of them are lost at once, and it is 0.3 s. Nothing that was acknowledged is lost.

deploy/scenarios/launch.yaml: 96 satellites in service, eight of them with a process, and clients of an etcd at four gateways;
60 satellites with a process each are launched, and later 40 of them are lost.

Run: python docs/design/launch_under_load.py [--seed 1]     three minutes; needs etcd
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SKYRACK = str(Path(sys.executable).with_name("skyrack"))
BATCH, LOST = "v3-1", 40
LOAD_S, LAUNCH_S, LOSS_S = 150.0, 10.0, 120.0  # of the load's span
QUARTERS = ("before", "launch", "with 60 more", "after the loss")


@contextmanager
def up() -> Iterator[tuple[Path, dict[str, str]]]:
    """The run, gone afterwards: its directory, and the environment of commands on it."""
    place = Path(tempfile.mkdtemp(prefix="launch-", dir="/tmp"))
    environment = {
        **os.environ,
        "SKYRACK_SOCKET_DIR": str(place / "s"),
        "SKYRACK_UP_RUNS": str(place / "runs"),
        **{f"SKYRACK_UP_{port}": "0" for port in ("PORT", "BROKER_PORT", "ENTRY_PORT")},
    }
    try:
        began_s = time.monotonic()
        skyrack(environment, "up", "-d", str(ROOT / "deploy" / "scenarios" / "launch.yaml"))
        print(f"up after {time.monotonic() - began_s:.1f} s")
        yield place / "runs" / "latest", environment
    finally:
        subprocess.run([SKYRACK, "down", "--all"], env=environment, capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)


def skyrack(environment: dict[str, str], *words: str) -> str:
    """What a command prints; the program ends where one fails."""
    done = subprocess.run([SKYRACK, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"skyrack {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def weigh(environment: dict[str, str]) -> tuple[int, float, int]:
    """Processes of the run, their memory (PSS) in MB, their open descriptors."""
    mark = f"SKYRACK_SOCKET_DIR={environment['SKYRACK_SOCKET_DIR']}".encode()
    count, pss_kb, descriptors = 0, 0, 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark not in (process / "environ").read_bytes().split(b"\0"):
                continue
            rollup = (process / "smaps_rollup").read_text()
            pss_kb += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
            descriptors += len(list((process / "fd").iterdir()))
            count += 1
    return count, pss_kb / 1024, descriptors


def wait_for(environment: dict[str, str], phase: str, count: int, limit_s: float) -> None:
    """Until so many nodes with a process are in a state."""
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        nodes = json.loads(skyrack(environment, "status", "-o", "json"))["nodes"]
        if sum(node["inhabited"] and node["state"] == phase for node in nodes) >= count:
            return
        time.sleep(0.5)
    raise SystemExit(f"not {count} nodes {phase} within {limit_s:g} s")


def events(run: Path, name: str) -> list[dict[str, Any]]:
    """Of the run, by name."""
    lines = (run / "events.jsonl").read_text("utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def answered(run: Path) -> Iterator[tuple[float, float, str]]:
    """When each operation was invoked, for how long it took, how it ended: run seconds."""
    begun: dict[Any, float] = {}
    for line in map(json.loads, (run / "history.jsonl").read_text("utf-8").splitlines()[1:]):
        kind = line.get("type")
        if kind == "invoke":
            begun[line["process"]] = line["time_s"]
        elif kind in ("ok", "fail", "info") and line.get("process") in begun:
            at_s = begun.pop(line["process"])
            refused = kind == "fail" and not line.get("error")  # a compare-and-set that found another value
            yield at_s, line["time_s"] - at_s, "ok" if refused else kind


def show(
    run: Path, before: tuple[int, float, int], during: tuple[int, float, int], after: tuple[int, float, int]
) -> None:
    """The figures."""
    ordered_s = events(run, "launch_ordered")[0]["run_s"]
    phases = events(run, "launch_phase")
    first_s = min(event["run_s"] for event in phases if event["phase"] == "in service")
    batch = {node for event in phases for node in event["on"]}
    serving_s = {e["node"]: e["run_s"] for e in events(run, "node_serving") if e["node"] in batch}
    let_in_s = {node: e["run_s"] for e in phases if e["phase"] == "in service" for node in e["on"]}
    waits = sorted(serving_s[node] - let_in_s[node] for node in serving_s)
    lost = next(event for event in events(run, "fault_began") if event["kind"] == "lost")
    print(f"ordered at {ordered_s:.1f} s, first in service at {first_s:.1f} s, all {len(serving_s)} serve at "
          f"{max(serving_s.values()):.1f} s; from in service to serving median {waits[len(waits) // 2]:.2f}, most "
          f"{waits[-1]:.2f} s")  # fmt: skip
    for name, (count, pss_mb, descriptors) in (
        ("before", before),
        ("with 60 more", during),
        ("after the loss", after),
    ):
        print(f"{name:16} {count} processes, {pss_mb:,.0f} MB, {descriptors:,} descriptors")
    cuts_s = [0.0, ordered_s, max(serving_s.values()), lost["run_s"], float("inf")]
    operations = sorted(answered(run))
    for name, (from_s, to_s) in zip(QUARTERS, pairwise(cuts_s), strict=True):
        part = [(at, took, kind) for at, took, kind in operations if from_s <= at < to_s]
        took_s = sorted(took for _, took, kind in part if kind == "ok")
        ends_s = sorted(at + took for at, took, kind in part if kind == "ok")
        gap_s = max((b - a for a, b in pairwise(ends_s)), default=0.0)
        bad = sum(kind != "ok" for _, _, kind in part)
        print(f"{name:16} {len(part):5} operations, {bad} not answered, p50 {took_s[len(took_s) // 2] * 1e3:.0f} ms, p99 "
              f"{took_s[int(len(took_s) * 0.99)] * 1e3:.0f} ms, longest silence {gap_s:.2f} s")  # fmt: skip
    for event in events(run, "convergence"):
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
    with up() as (run, environment):
        words = ["load", "kv", "--adapter", "etcd", "--service", "etcd", "--rate", "50", "--clients", "40"]
        for member in ("p0s00", "p2s04", "p4s08", "p6s02"):
            words += ["--to", member]
        words += ["--for", f"{LOAD_S:g}s", "--seed", given.seed]
        before = weigh(environment)
        load = subprocess.Popen(
            [SKYRACK, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        began_s = time.monotonic()
        time.sleep(LAUNCH_S)
        print(skyrack(environment, "launch", BATCH).strip())
        wait_for(environment, "serving", 72, 100.0)
        time.sleep(max(0.0, began_s + LOSS_S - 5.0 - time.monotonic()))
        during = weigh(environment)
        time.sleep(max(0.0, began_s + LOSS_S - time.monotonic()))
        skyrack(environment, "fault", "add", "lost", "--node", f"random:{LOST}:batch:{BATCH}")
        time.sleep(5.0)
        after = weigh(environment)
        said, _ = load.communicate()
        show(run, before, during, after)
        print(skyrack(environment, "launch").strip())
        print(said.strip())
        kept = ROOT / "runs" / "launch"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for file in ("history.jsonl", "events.jsonl", "result.json"):
            shutil.copy(run / file, kept)
    sys.exit(load.returncode)


if __name__ == "__main__":
    main()
