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
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from skyrack.orchestrator.api.client import ApiClient

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "deploy" / "scenarios" / "assembly.yaml"
SKYRACK = str(Path(sys.executable).with_name("skyrack"))
MODULES = ("p0s00", "p0s01", "p0s02", "p0s03", "p0s04")
LAUNCHES = (("second", MODULES[1:3]), ("third", MODULES[3:]))
LOAD_S, LOSS_S, LIMIT_S = 150.0, 130.0, 80.0  # of the load's span
RATE_HZ = 50


@contextmanager
def up(mode: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The run, gone afterwards: its directory, and the environment of commands on it."""
    place = Path(tempfile.mkdtemp(prefix="assembly-", dir="/tmp"))
    scenario = place / "assembly.yaml"
    text = SCENARIO.read_text("utf-8")
    scenario.write_text(text if mode == "learner" else text.replace("LEARNER: --learner", 'LEARNER: ""'))
    environment = {
        **os.environ,
        "SKYRACK_SOCKET_DIR": str(place / "s"),
        "SKYRACK_UP_RUNS": str(place / "runs"),
        **{f"SKYRACK_UP_{port}": "0" for port in ("PORT", "BROKER_PORT", "ENTRY_PORT")},
    }
    try:
        skyrack(environment, "up", "-d", str(scenario))
        yield place / "runs" / "latest", environment
    finally:
        subprocess.run([SKYRACK, "down", "--all"], env=environment, capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)


def skyrack(environment: Mapping[str, str], *words: str) -> str:
    """What a command prints; the program ends where one fails."""
    done = subprocess.run([SKYRACK, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"skyrack {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def events(run: Path, name: str) -> list[dict[str, Any]]:
    """Of the run, by name."""
    lines = (run / "events.jsonl").read_text("utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def ready_s(run: Path) -> dict[str, float]:
    """When each member has become ready first."""
    found: dict[str, float] = {}
    for event in events(run, "service_ready"):
        found.setdefault(event["node"], event["run_s"])
    return found


def operations(run: Path) -> list[tuple[float, float, str]]:
    """When each operation was invoked, how long it took, how it ended: run seconds."""
    begun: dict[Any, float] = {}
    found = []
    for line in map(json.loads, (run / "history.jsonl").read_text("utf-8").splitlines()[1:]):
        kind, process = line.get("type"), line.get("process")
        if kind == "invoke":
            begun[process] = line["time_s"]
        elif kind in ("ok", "fail", "unknown") and process in begun:
            at_s = begun.pop(process)
            found.append((at_s, line["time_s"] - at_s, kind))
    return sorted(found)


def show(run: Path, linked_s: Mapping[str, float], core_lost_s: float) -> None:
    """Modules from docking to membership, and what the client noticed meanwhile."""
    docked_s = {
        n: e["run_s"] for e in events(run, "launch_phase") if e["phase"] == "in service" for n in e["on"]
    }
    serving_s = {event["node"]: event["run_s"] for event in events(run, "node_serving")}
    member_s = ready_s(run)
    print("module  docked at s  linked after s  process after s  member after s")
    for name in MODULES[1:]:
        after = [of[name] - docked_s[name] for of in (linked_s, serving_s, member_s)]
        print(f"{name:7} {docked_s[name]:11.1f}  {after[0]:14.2f}  {after[1]:15.2f}  {after[2]:14.2f}")
    done = operations(run)
    marks = {
        "1 member": done[0][0],
        "1 to 3 members": docked_s[MODULES[1]],
        "3 members": max(member_s[name] for name in MODULES[1:3]),
        "3 to 5 members": docked_s[MODULES[3]],
        "5 members": max(member_s[name] for name in MODULES[3:]),
        "core lost, 4 of 5": core_lost_s,
    }
    print("phase               operations  answered  p50 ms  p99 ms  longest without an answer s")
    ends = sorted((at + took, took) for at, took, kind in done if kind != "unknown")
    gaps = [(after, after - before) for (before, _), (after, _) in pairwise(ends)]
    for (name, from_s), (_, to_s) in pairwise([*marks.items(), ("end", float("inf"))]):
        part = [kind for at, _, kind in done if from_s <= at < to_s]
        took_s = sorted(took for at, took in ends if from_s <= at < to_s) or [0.0]
        gap_s = max((gap for at, gap in gaps if from_s <= at < to_s), default=0.0)
        print(
            f"{name:18}  {len(part):10}  {len(part) - part.count('unknown'):8}  {took_s[len(took_s) // 2] * 1e3:6.1f}  "
            f"{took_s[int(len(took_s) * 0.99)] * 1e3:6.1f}  {gap_s:27.2f}"
        )


def measure(mode: str) -> int:
    """One run; the status of its load."""
    print(f"{mode}s: modules join as {mode}s")
    with up(mode) as (run, environment):
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
        load = subprocess.Popen(
            [SKYRACK, *words, "--for", f"{LOAD_S:g}s"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        began_s = time.monotonic()
        api = ApiClient(Path(environment["SKYRACK_SOCKET_DIR"]) / "assembly")
        linked_s: dict[str, float] = {}
        time.sleep(3.0)
        for name, modules in LAUNCHES:
            print(skyrack(environment, "launch", name).strip())
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
        lost = json.loads(skyrack(environment, "fault", "add", "lost", "--node", MODULES[0], "-o", "json"))
        said, _ = load.communicate()
        show(run, linked_s, lost["at_s"])
        for name in MODULES[1:]:
            keys = skyrack(environment, "exec", name, "--", "etcdctl", "get", "", "--prefix", "--keys-only")
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
