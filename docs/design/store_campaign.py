"""Verdict: etcd keeps what it acknowledged under everything that was tried, and each control is found out.

Faults are drawn from the seed: one every eight seconds, of every kind in turn. Histories, events and results of each run are
kept in runs/campaigns/PART/SEED; what they say is computed again, with nothing of skyrack, by recompute_history.py.

etcd       deploy/scenarios/etcd.yaml, five seeds of a minute: processes killed and paused, partitions, flapping lasers.
           Linearizable, 0 of 5,046 acknowledged writes lost. After 13 of 35 faults nobody was answered for 1.5 to 5.2 s,
           after the others for 0.3 s at most.
controls   eager: a client that acknowledges before the quorum does. stale: one that reads from whatever member it asks.
           unsynced: members that sync nothing, three of which lose power; power: the same with sync, which has to be ok.
redis      deploy/scenarios/redis.yaml: the primary is cut off from the ground for ten seconds, with one of its replicas and
           one sentinel; clients on both sides. 211 of 669 acknowledged writes are lost. redis-wait: none with WAIT 2, and
           reads of the old primary are old all the same.
register   deploy/scenarios/register.yaml, its leader cut off and its clock set back: ok; register-wall-clock, the bug: bad.
           register-power, all three members without power for two seconds: ok; register-unsynced, that never sync: bad.

Run: python docs/design/store_campaign.py [PART | PART:SEED | controls]... [--for 60] [--again]     etcd: seven minutes
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from a_run import ROOT, SCENARIOS, SKYRACK, lines, up

KEPT = ROOT / "runs" / "campaigns"
SEEDS = (1, 2, 3, 4, 5)
MEMBERS = ("p0s00", "p1s02", "p2s05", "p3s07", "p4s09")
GATEWAYS = ("london", "tokyo", "sao-paulo")
FIRST_S, EVERY_S, LONGEST_S = 4.0, 8.0, 5.0


# What breaks when


def etcd_faults(seed: int, span_s: float) -> list[str]:
    """Words for --fault: kill, pause, partition and flap in an order of the seed's, again and again, on members it draws."""
    draw = random.Random(f"campaign/{seed}")
    words: list[str] = []
    kinds: list[str] = []
    at_s = FIRST_S
    while at_s + LONGEST_S < span_s:
        kinds = kinds or draw.sample(("kill", "pause", "partition", "flap"), 4)
        begin_s = round(at_s + draw.uniform(0, 1), 1)
        words.append(_fault(kinds.pop(), draw, f"{begin_s:g}s", f"{draw.uniform(3, LONGEST_S):.1f}s"))
        at_s += EVERY_S
    return words


def _fault(kind: str, draw: random.Random, begin: str, span: str) -> str:
    member = draw.choice(MEMBERS)
    if kind == "kill":
        return f"kill:{member}/etcd@{begin}"
    if kind == "pause":
        return f"pause:{member}/etcd@{begin}+{span}"
    if kind == "flap":
        return f"flap:{member}:1s@{begin}+{span}"
    # One gateway goes with the members that are cut off: somebody still asks them.
    side = [*draw.sample(MEMBERS, draw.choice((1, 2))), draw.choice(GATEWAYS)]
    return f"partition:{','.join(side)}|rest@{begin}+{span}"


def power_loss(seed: int, span_s: float) -> list[str]:
    """Two members are cut off; the three that have acknowledged everything since lose power; then the two are back.

    Who has lost its log votes for whoever asks. Where all of them have, there is nobody left to vote at all: etcd without its
    log answers nothing, and nothing is proved.
    """
    return ["partition:p3s07,p4s09|rest@3s+7s", "power:p0s00,p1s02,p2s05@8s+1s"]


def all_without_power(seed: int, span_s: float) -> list[str]:
    """All three members of the register at once."""
    return ["power:p0s00,p2s05,p4s09@8s+2s"]


def plane_cut_off(seed: int, span_s: float) -> list[str]:
    """The plane of Redis' primary, with its near replica and the sentinel there."""
    return ["partition:p2s01,p2s02|rest@5s+10s"]


def leader_cut_off(seed: int, span_s: float) -> list[str]:
    """Each member in turn with a gateway, its clock set back meanwhile: one of them leads."""
    members = random.Random(f"register/{seed}").sample(("p0s00", "p2s05", "p4s09"), 3)
    words = []
    for number, (member, gateway) in enumerate(zip(members, GATEWAYS, strict=True)):
        begin_s = 4 + 9 * number
        words.append(f"partition:{member},{gateway}|rest@{begin_s}s+6s")
        words.append(f"clock:{member}/register:-30s@{begin_s + 1}s+7s")
    return [word for word in words if float(word.rpartition("@")[2].partition("s")[0]) + 7 < span_s]


# What is run


@dataclass(frozen=True)
class Part:
    """A scenario, a load on it, and what breaks meanwhile. `expected`: verdict of the history."""

    scenario: str
    load: tuple[str, ...]
    faults: Callable[[int, float], list[str]]
    expected: str = "ok"
    span_s: float = 60.0
    seeds: Sequence[int] = SEEDS
    changes: tuple[tuple[str, str], ...] = ()  # in the scenario's text


ETCD_LOAD = ("--service", "etcd", "--rate", "50", "--clients", "45")
REDIS_LOAD = (
    "--service",
    "sentinel",
    "--port",
    "26379",
    "--rate",
    "60",
    "--clients",
    "12",
    "--at",
    "london",
    "--at",
    "p2s01",
)
# A data directory that can lose what was not synced, and an etcd that syncs nothing.
DISK = ("    limits: {disk_mb: 256}", "    faults: [disk]\n    limits: {disk_mb: 256}")
UNSYNCED = ("      - --pre-vote ", "      - --unsafe-no-fsync\n      - --pre-vote ")
REGISTER_LOAD = ("--service", "register", "--rate", "60", "--clients", "45")
PARTS = {
    "etcd": Part("etcd", ("--adapter", "etcd", *ETCD_LOAD), etcd_faults),
    "eager": Part(
        "etcd", ("--adapter", f"{ROOT}/docs/design/bad_clients.py:EagerEtcd", "--port", "2379", *ETCD_LOAD),
        etcd_faults, "bad", 20.0, SEEDS[:1],
    ),
    "stale": Part(
        "etcd", ("--adapter", "etcd,serializable=true", *ETCD_LOAD), etcd_faults, "bad", 20.0, SEEDS[:1]
    ),
    "power": Part("etcd", ("--adapter", "etcd", *ETCD_LOAD), power_loss, "ok", 20.0, SEEDS[:1], (DISK,)),
    "unsynced": Part("etcd", ("--adapter", "etcd", *ETCD_LOAD), power_loss, "bad", 20.0, SEEDS[:1], (DISK, UNSYNCED)),
    "redis": Part("redis", ("--adapter", "redis,sentinel=orbit", *REDIS_LOAD), plane_cut_off, "bad", 30.0, SEEDS[:1]),
    "redis-wait": Part(
        "redis", ("--adapter", "redis,sentinel=orbit,wait=2", *REDIS_LOAD), plane_cut_off, "bad", 30.0, SEEDS[:1]
    ),
    "register": Part("register", ("--adapter", "grpc", *REGISTER_LOAD), leader_cut_off, "ok", 30.0, SEEDS[:1]),
    "register-wall-clock": Part(
        "register-wall-clock", ("--adapter", "grpc", *REGISTER_LOAD), leader_cut_off, "bad", 30.0, SEEDS[:1]
    ),
    "register-power": Part("register", ("--adapter", "grpc", *REGISTER_LOAD), all_without_power, "ok", 20.0, SEEDS[:1]),
    "register-unsynced": Part(
        "register", ("--adapter", "grpc", *REGISTER_LOAD), all_without_power, "bad", 20.0, SEEDS[:1],
        (("--fsync=always", "--fsync=never"), ("../../docs", str(ROOT / "docs"))),
    ),
}  # fmt: skip
GROUPS = {"controls": ("eager", "stale", "power", "unsynced"), "all": tuple(PARTS)}


def scenario(part: Part) -> Path | str:
    """That of the part: a file, or a text where something in it is changed."""
    file = SCENARIOS / f"{part.scenario}.yaml"
    if not part.changes:
        return file
    text = file.read_text("utf-8")
    for old, new in part.changes:
        assert old in text, f"{file.name} has no {old!r} any more"
        text = text.replace(old, new)
    return text


def campaign(name: str, seed: int, span_s: float) -> dict[str, Any]:
    """One run; what `skyrack check` says of its history. The files are kept."""
    part = PARTS[name]
    words = part.faults(seed, span_s)
    options = ["load", "kv", *part.load, "--for", f"{span_s:g}s", "--seed", str(seed)]
    for word in words:
        options += ["--fault", word]
    with up(scenario(part), part.scenario) as run:
        loaded = subprocess.run([SKYRACK, *options], env=run.environment, capture_output=True, text=True)
        if not (run.directory / "result.json").exists():
            raise SystemExit(f"skyrack {' '.join(options)}: {loaded.stdout}{loaded.stderr}")
        kept = KEPT / name / str(seed)
        run.keep(kept, "history.jsonl", "events.jsonl", "result.json")
        (kept / "faults.txt").write_text("\n".join(words) + "\n", "utf-8")
        (kept / "load.txt").write_text(loaded.stdout + loaded.stderr, "utf-8")
    return judged(name, seed)


def judged(name: str, seed: int) -> dict[str, Any]:
    """What `skyrack check` says of a history that was kept."""
    history = KEPT / name / str(seed) / "history.jsonl"
    said = subprocess.run([SKYRACK, "check", str(history), "-o", "json"], capture_output=True, text=True)
    report: dict[str, Any] = json.loads(said.stdout)
    return report


def show(name: str, seed: int, report: dict[str, Any]) -> None:
    """A line for the run, one for each promise that was broken, one for each recovery."""
    operations, figures = (
        report["operations"],
        {check["name"]: check["figures"] for check in report["checks"]},
    )
    writes = figures["no acknowledged write lost"]
    mark = "  " if report["verdict"] == PARTS[name].expected else "!!"
    print(
        f"{mark}{name:12} {seed:4}   {report['verdict']:5} {operations['ok']:6} ok {operations['fail']:5} failed "
        f"{operations['unknown']:4} unknown   {writes['lost']} of {writes['acknowledged']} acknowledged writes lost   "
        f"{figures['availability']['share']:.1%} answered",
        flush=True,
    )
    for check in report["checks"]:
        if check["verdict"] == "bad":
            lines = check["text"].splitlines()
            print(f"     BAD {check['name']}: {lines[0]}", *lines[1:4], sep="\n         ", flush=True)
    silences = longest_silences(KEPT / name / str(seed))
    print("     longest time without an answer: " + "   ".join(f"{word} {s:.2f} s" for word, s in silences))


def longest_silences(kept: Path) -> Iterator[tuple[str, float]]:
    """For each fault, the longest time without an answer to anybody, before the next one begins."""
    events, history = lines(kept / "events.jsonl"), lines(kept / "history.jsonl")[1:]
    began = sorted((event["run_s"], event["cause"]) for event in events if event["event"] == "fault_began")
    answered = sorted(line["time_s"] for line in history if line.get("type") == "ok")
    ends = [at_s for at_s, _ in began[1:]] + [began[-1][0] + EVERY_S if began else 0.0]
    for (at_s, cause), end_s in zip(began, ends, strict=True):
        within = [at_s, *(s for s in answered if at_s < s < end_s), end_s]
        yield cause.removeprefix("load: "), max((b - a for a, b in pairwise(within)), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", default=["all"], help=f"{', '.join([*PARTS, *GROUPS])}; or PART:SEED"
    )
    parser.add_argument("--again", action="store_true", help="judge what is kept once more; run nothing")
    parser.add_argument("--for", dest="span_s", type=float, help="seconds, in place of the part's own")
    given = parser.parse_args()
    wrong = False
    for word in given.parts:
        chosen, _, seed = word.partition(":")
        for name in GROUPS.get(chosen, (chosen,)):
            for one in (int(seed),) if seed else PARTS[name].seeds:
                report = (
                    judged(name, one)
                    if given.again
                    else campaign(name, one, given.span_s or PARTS[name].span_s)
                )
                show(name, one, report)
                wrong |= report["verdict"] != PARTS[name].expected
    sys.exit(wrong)


if __name__ == "__main__":
    main()
