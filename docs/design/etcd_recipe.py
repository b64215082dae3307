"""Verdict: a write to etcd in orbit takes the light to its quorum and some 2 ms; planned handovers elect nobody.

The scenario is deploy/scenarios/etcd.yaml, the chapter docs/recipes/etcd.md. Everything runs at speed 1, for real, at the
busiest minutes of an orbit, to which the scenario's `start` jumps:

timeouts    The longest round trip between two members over a day is 184 ms: heartbeats of 200 ms, elections after 2 s.
placement   Medians of five leaders from four places, 76 to 329 ms, are within 1.3 to 2.7 ms of what is computed, 99th
            percentiles within 2.3 to 7.3 ms but where the host was busy. 31 planned handovers: no election. With BBR, the
            host's own control of congestion, every ten seconds some writes wait for the third nearest follower.
floor       Members near to each other and a mesh without delays show the same 2 ms.
failures    Another leader 2.2 to 2.8 s after the loss of the leader's satellite. No acknowledged write is lost. Without
            --pre-vote a follower that comes back from the dark unseats the leader.
short       20 ms and 100 ms without --pre-vote elect 182 times in a minute; with 10 and 50 ms no leader ever settles.

Run: python docs/design/etcd_recipe.py [timeouts | placement | floor | failures | short]...   all: about half an hour
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, permutations
from typing import Any, NamedTuple

import numpy as np
from a_run import ROOT, SCENARIOS, CommandFailed, lines, place
from a_run import Run as AnyRun

from skyrack.orchestrator.report.svg import Chart
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

SCENARIO = (SCENARIOS / "etcd.yaml").read_text("utf-8")
CLIENT = str(ROOT / "docs" / "recipes" / "etcd_client.py")
MEMBERS = ("p0s00", "p1s02", "p2s05", "p3s07", "p4s09")
NEIGHBOURS = ("p0s00", "p1s00", "p2s00", "p3s00", "p4s00")
GATEWAYS = ("london", "tokyo", "sao-paulo")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ORBIT_S, DAY_S = 6030.0, 86_400.0
HEARTBEAT_MS, ELECTION_MS = 200, 2000
WINDOW_S = 60.0  # looked at from SETTLED_S after the start of a run on
SETTLED_S = 25.0
# The kernel lets a network namespace choose `reno` or the host's own.
CONGESTION = """
      - sh
      - -c
      - echo %s > /proc/sys/net/ipv4/tcp_congestion_control; exec etcd "$@"
      - etcd
"""


# What is computed


def members_of(text: str) -> tuple[str, ...]:
    """Where the members of a scenario text are."""
    (service,) = load_text(text).scenario.services
    return tuple(service.nodes)


def load_text(text: str) -> Geometry:
    """The geometry of a scenario text."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return Geometry(load_scenario(file.name))


def variant(
    start_s: float = 0.0,
    members: Sequence[str] = MEMBERS,
    heartbeat_ms: int = HEARTBEAT_MS,
    election_ms: int = ELECTION_MS,
    links: str = "",
    pre_vote: bool = True,
    congestion: str = "",
) -> str:
    """The recipe's scenario at another minute, with members elsewhere, other time-outs or another control of congestion."""
    start = (FIRST + timedelta(seconds=start_s)).isoformat().replace("+00:00", "Z")
    text = SCENARIO
    for old, new in (
        ("\nstart: 2026-01-01T00:00:00Z", f"\nstart: {start}"),
        (", ".join(MEMBERS), ", ".join(members)),
        (f"--heartbeat-interval={HEARTBEAT_MS}", f"--heartbeat-interval={heartbeat_ms}"),
        (f"--election-timeout={ELECTION_MS}", f"--election-timeout={election_ms}"),
        ("\nlinks:\n", f"\nlinks:\n{links}"),
        ("--pre-vote ", f"--pre-vote={str(pre_vote).lower()} "),
        ("\n      - etcd\n", CONGESTION % congestion if congestion else "\n      - etcd\n"),
    ):
        assert old in text, f"the scenario has no {old!r} any more"
        text = text.replace(old, new)
    return text


class Ways:
    """Round trips in force, as a run of the scenario has them while nothing fails."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.node = {name: geometry.index_of(name) for name in geometry.names}

    def one_way_s(self, a: str, b: str, t_s: float) -> float:
        """Along the way in force from a to b."""
        if self.geometry.scenario.links.zero_delay:
            return 0.0
        path = path_of(self.geometry.epoch(t_s), self.node[a], self.node[b])
        assert path is not None, f"no way from {a} to {b} at {t_s} s"
        return float(self.geometry.delay_s(path[:-1], path[1:], t_s).sum()) if len(path) > 1 else 0.0

    def round_trip_s(self, a: str, b: str, t_s: float) -> float:
        """There by the way in force now, back by the one in force then: they may differ."""
        there_s = self.one_way_s(a, b, t_s)
        return there_s + self.one_way_s(b, a, t_s + there_s)

    def quorum_s(self, leader: str, members: Sequence[str], t_s: float, without: str = "") -> float:
        """From the leader to the follower whose answer makes a majority of all members: of five, the second nearest."""
        followers = [member for member in members if member not in (leader, without)]
        return sorted(self.round_trip_s(leader, one, t_s) for one in followers)[len(members) // 2 - 1]

    def write_s(
        self, client: str, leader: str, members: Sequence[str], t_s: float, without: str = ""
    ) -> float:
        """From a client to the leader, the leader's quorum, and back."""
        there_s = self.one_way_s(client, leader, t_s)
        commit_s = self.quorum_s(leader, members, t_s + there_s, without)
        return there_s + commit_s + self.one_way_s(leader, client, t_s + there_s + commit_s)


class Handover(NamedTuple):
    """An instant at which the way between two members changes as planned."""

    t_s: float
    ways: int  # of the twenty between five members, directions counted
    dark: bool  # a laser of an old way went dark: what was under way on it is lost


def handovers(geometry: Geometry, members: Sequence[str], span_s: float) -> Iterator[Handover]:
    """All of the first `span_s` seconds of orbit time."""
    nodes = [geometry.index_of(member) for member in members]
    before: dict[tuple[int, int], list[int]] = {}
    t_s = 0.0
    while t_s < span_s:
        epoch = geometry.epoch(t_s)
        lit = set(zip(epoch.a.tolist(), epoch.b.tolist(), strict=True))
        now = {pair: path_of(epoch, *pair) or [] for pair in permutations(nodes, 2)}
        changed = [before[pair] for pair in now if before.get(pair, now[pair]) != now[pair]]
        if changed:
            crossed = {(min(a, b), max(a, b)) for path in changed for a, b in pairwise(path)}
            yield Handover(t_s, len(changed), not crossed <= lit)
        before = now
        t_s = epoch.t1_s


def busiest(found: Sequence[Handover], count: int) -> list[float]:
    """Starts of runs whose windows, apart from each other, hold the most handovers."""
    times = np.array([one.t_s for one in found])
    starts = np.arange(0.0, ORBIT_S - SETTLED_S - WINDOW_S, 5.0)
    held = [int(((times > s + SETTLED_S) & (times < s + SETTLED_S + WINDOW_S)).sum()) for s in starts]
    chosen: list[float] = []
    for index in np.argsort(held, kind="stable")[::-1]:
        if all(abs(starts[index] - other) >= WINDOW_S for other in chosen):
            chosen.append(float(starts[index]))
        if len(chosen) == count:
            break
    return chosen


# What is run


@dataclass(frozen=True)
class Put:
    """A line of etcd_client.py."""

    key: str
    endpoint: str
    intended_s: float
    sent_s: float
    done_s: float
    outcome: str
    error: str


class NeverReady(Exception):
    """The members had no leader for long enough to say that they are ready. `term`: how many elections began."""

    def __init__(self, term: int) -> None:
        super().__init__(f"not ready after {term} terms")
        self.term = term


class Run:
    """A run that is up. Times of clients are CLOCK_MONOTONIC, as in etcd_client.py. Raises NeverReady."""

    def __init__(self, run: AnyRun, text: str) -> None:
        self.run = run
        self.geometry = load_text(text)
        self.ways = Ways(self.geometry)
        self.members = members_of(text)
        try:
            run.start(text, "etcd")
        except CommandFailed as error:
            if not (term := self.newest_term()):
                raise
            raise NeverReady(term) from error
        self.t0_s = run.status()["t0_monotonic_ns"] / 1e9

    def client(self, node: str, verb: str, endpoints: Sequence[str], *options: str) -> subprocess.Popen[str]:
        """etcd_client.py in a node."""
        members = [f"{one}:2379" for one in endpoints]
        return self.run.begin("exec", node, "--", sys.executable, CLIENT, verb, *members, *options)

    def ask(self, node: str, verb: str, endpoints: Sequence[str], *options: str) -> str:
        """What it says. Raises RuntimeError."""
        process = self.client(node, verb, endpoints, *options)
        said, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"etcd_client.py {verb} at {node}: {process.returncode}")
        return said

    def services(self) -> list[dict[str, Any]]:
        """`skyrack service status`."""
        said = self.run.skyrack("service", "status", "-o", "json")
        return list(json.loads(said)["services"])

    def now_s(self) -> float:
        """Run seconds, at speed 1 the orbit's."""
        return time.monotonic() - self.t0_s

    def lead(self, member: str) -> None:
        """Have it lead."""
        self.ask(member, "lead", [member, *(one for one in self.members if one != member)])

    def terms(self) -> tuple[int, int]:
        """The newest term, and leader changes seen, over all members."""
        said = self.ask(GATEWAYS[0], "status", self.members).splitlines()
        changes = (self.metric(member, "etcd_server_leader_changes_seen_total") for member in self.members)
        return max(json.loads(line)["term"] for line in said), int(sum(changes))

    def metric(self, member: str, name: str) -> float:
        """One value of /metrics."""
        said = self.ask(member, "metrics", [member]).splitlines()
        return float(next(line.split()[1] for line in said if line.startswith(f"{name} ")))

    def fsync_s(self) -> float:
        """Mean time of an fsync of the log, over all members."""
        name = "etcd_disk_wal_fsync_duration_seconds"
        totals = [
            (self.metric(one, f"{name}_sum"), self.metric(one, f"{name}_count")) for one in self.members
        ]
        return sum(total for total, _ in totals) / sum(count for _, count in totals)

    def logged(self) -> Iterator[dict[str, Any]]:
        """What the members have logged."""
        for log in (self.run.directory / "logs").glob("*.etcd.jsonl"):
            for line in lines(log):
                message = line["msg"]
                if message.startswith("{"):
                    yield json.loads(message)

    def newest_term(self) -> int:
        """That anybody was a candidate for."""
        found = (re.search(r"became candidate at term (\d+)", record["msg"]) for record in self.logged())
        return max((int(one[1]) for one in found if one), default=0)

    def elected_s(self, after: float) -> float | None:
        """From the UTC time `after` until some member became leader, by etcd's own log."""
        found = (
            datetime.fromisoformat(record["ts"]).timestamp() - after
            for record in self.logged()
            if "became leader at term" in record["msg"]
        )
        return min((since_s for since_s in found if since_s > 0), default=None)

    def lost(self, puts: Sequence[Put], prefix: str) -> int:
        """Acknowledged puts that are not there."""
        there = json.loads(self.ask("london", "read", [self.members[0]], "--prefix", prefix))
        return sum(put.outcome == "ok" and put.key not in there for put in puts)


@contextmanager
def up(text: str) -> Iterator[Run]:
    """A run of this scenario, gone afterwards."""
    with place() as run:
        yield Run(run, text)


def write(
    run: Run, clients: Sequence[tuple[str, Sequence[str], float]], span_s: float, prefix: str,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[str, list[Put]]:  # fmt: skip
    """Open-loop writers at nodes, each with endpoints and a rate; what became of every put, by node."""
    started = {
        node: run.client(
            node, "write", ends,
            "--rate", str(rate), "--count", str(round(rate * span_s)), "--prefix", f"{prefix}{node}/",
        )
        for node, ends, rate in clients
    }  # fmt: skip
    meanwhile()
    return {
        node: [Put(**json.loads(line)) for line in process.communicate()[0].splitlines()]
        for node, process in started.items()
    }


# The parts


def timeouts() -> None:
    """The longest round trip between members, and the time-outs that follow."""
    geometry = load_text(variant())
    longest = 0.0
    ways = Ways(geometry)
    t_s = 0.0
    while t_s < DAY_S:
        epoch = geometry.epoch(t_s)
        for a, b in combinations(MEMBERS, 2):
            longest = max(longest, *(ways.round_trip_s(a, b, at) for at in (t_s, epoch.t1_s - 1e-3)))
        t_s = epoch.t1_s
    found = list(handovers(geometry, MEMBERS, ORBIT_S))
    print(f"longest round trip between two members over a day: {1e3 * longest:.1f} ms")
    print(f"planned handovers between members in an orbit: {len(found)}, {sum(one.dark for one in found)} of them"
          " with a laser of a way going dark")  # fmt: skip
    assert HEARTBEAT_MS / 1e3 >= longest > HEARTBEAT_MS / 1e3 / 1.5, (
        "the heartbeat is not about the longest round trip"
    )
    assert 10 * 1e3 * longest <= ELECTION_MS, "the election time-out is below ten round trips"


HEAD = (
    "                                p50, ms                     p99, ms            measured - computed, ms\n"
    "  leader  client       puts     computed measured           computed measured            p10    p50    p99   "
    "after a laser went dark"
)
AFTER_S = (
    -0.2,
    1.0,
)  # puts sent so long around an instant at which a laser of a way goes dark may have lost packets


def row(
    run: Run, leader: str, node: str, puts: Sequence[Put], dark_s: Sequence[float]
) -> list[tuple[float, float]]:
    """Print a line of the placement's table; each put's computed and measured latency, s.

    `dark_s`: when a laser of a way between members went dark; puts around these are told apart in the last three columns.
    """
    ok = [put for put in puts if put.outcome == "ok"]
    sent_s = np.array([put.sent_s for put in ok]) - run.t0_s
    computed = np.array([run.ways.write_s(node, leader, run.members, t_s) for t_s in sent_s.tolist()])
    measured = np.array([put.done_s - put.sent_s for put in ok])
    (c50, c99), (m50, m99) = (1e3 * np.percentile(values, [50, 99]) for values in (computed, measured))
    late_ms = 1e3 * (measured - computed)
    near = np.zeros(len(ok), dtype=bool)
    for t_s in dark_s:
        near |= (sent_s > t_s + AFTER_S[0]) & (sent_s < t_s + AFTER_S[1])
    p10, p50, p99 = np.percentile(late_ms[~near], [10, 50, 99])
    rest = f"{near.sum():3}, most {late_ms[near].max():+.1f}" if near.any() else "  0"
    print(
        f"  {leader:7} {node:10} {len(ok):4}/{len(puts):<4} {c50:9.2f} {m50:8.2f} {m50 - c50:+7.2f}  "
        f"{c99:9.2f} {m99:8.2f} {m99 - c99:+7.2f}       {p10:6.2f} {p50:6.2f} {p99:6.2f}   {rest}",
        flush=True,
    )
    return list(zip(computed.tolist(), measured.tolist(), strict=True))


def watched(text: str, leader: str, span_s: float) -> tuple[list[tuple[float, float]], int, int, int]:
    """A window of a run: puts (computed, measured), planned handovers, elections, acknowledged puts lost."""
    with up(text) as run:
        run.lead(leader)
        time.sleep(max(0.0, SETTLED_S - run.now_s()))
        before, first_s = run.terms(), run.now_s()
        clients = [(leader, [leader], 10.0), *((gateway, [leader], 4.0) for gateway in GATEWAYS)]
        written = write(run, clients, span_s, "w/")
        after, last_s = run.terms(), run.now_s()
        found = [one for one in handovers(run.geometry, run.members, last_s) if one.t_s > first_s]
        elections = max(after[0] - before[0], after[1] - before[1])
        lost = sum(run.lost(puts, f"w/{node}/") for node, puts in written.items())
        print(
            f"{run.geometry.start:%H:%M:%S}: {len(found)} planned handovers, {sum(one.dark for one in found)} with a laser"
            f" going dark, {elections} elections, {lost} acknowledged puts lost, fsync {1e3 * run.fsync_s():.3f} ms"
        )
        dark_s = [one.t_s for one in found if one.dark]
        points = [point for node, puts in written.items() for point in row(run, leader, node, puts, dark_s)]
        return points, len(found), elections, lost


def placement() -> None:
    """Latencies by leader and client against what is computed, over the busiest minutes of an orbit."""
    print(HEAD)
    starts = busiest(list(handovers(load_text(variant()), MEMBERS, ORBIT_S)), len(MEMBERS))
    points: list[tuple[float, float]] = []
    total = np.zeros(3, dtype=int)
    for start_s, leader in zip(starts, MEMBERS, strict=True):
        found, *counts = watched(variant(start_s, congestion="reno"), leader, WINDOW_S)
        points += found
        total += counts
    print("the first again with the host's own control of congestion:")
    total += watched(variant(starts[0]), MEMBERS[0], WINDOW_S)[1:]
    planned, elections, lost = total.tolist()
    print(f"{planned} planned handovers at speed 1: {elections} elections, {lost} acknowledged puts lost")
    (ROOT / "docs" / "images" / "etcd_writes.svg").write_text(draw(points), "utf-8")
    assert planned >= 20
    assert elections == 0
    assert lost == 0


def floor() -> None:
    """Latencies of members that are near to each other, and without any distance: what etcd, client and host take."""
    print(HEAD)
    for leader in (NEIGHBOURS[2], NEIGHBOURS[0]):
        watched(variant(members=NEIGHBOURS, congestion="reno"), leader, 20.0)
    watched(variant(links="  zero_delay: true\n", congestion="reno"), MEMBERS[2], 20.0)


def draw(points: Sequence[tuple[float, float]]) -> str:
    """Measured over computed latency of puts, s."""
    most = 50.0 * np.ceil(20.0 * max(computed for computed, _ in points))
    chart = Chart(
        "etcd: a put against the light it takes", (0, most), (0, most * 1.25),
        "computed, ms: client to leader, leader to its second nearest follower, and back", "measured, ms",
    )  # fmt: skip
    chart.line([(0, 0), (most, most)], "computed")
    chart.dots([(1e3 * computed, 1e3 * measured) for computed, measured in points], "measured", 1.2)
    svg = chart.render().replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return svg.replace(">", f"><style>{STYLE}</style>", 1) + "\n"


def fail(run: Run, leader: str, victim: str, how: str, number: int) -> None:
    """Lose the satellite of a member while the gateways write, and print what that cost."""
    run.lead(leader)
    ends = [one for one in run.members if one != victim]
    nearest = sorted(ends, key=lambda one: run.ways.round_trip_s("london", one, run.now_s()))
    before = run.terms()[0]
    at: list[float] = []

    def lose() -> None:
        time.sleep(4.0)
        if how == "killed":
            pid = next(node["pid"] for node in run.run.status()["nodes"] if node["name"] == victim)
            at.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)
        else:
            said = run.run.skyrack("fault", "add", "dark", "--node", victim, "--for", "10s", "-o", "json")
            at.append(run.t0_s + json.loads(said)["at_s"])

    utc_s = time.time() - time.monotonic()
    prefix = f"f{number}/"
    clients = [(gateway, nearest, 10.0) for gateway in GATEWAYS]
    if how == "dark":
        clients.append((victim, [victim], 10.0))  # goes on writing, to a member that hears nobody
    written = write(run, clients, 20.0, prefix, lose)
    puts = [put for gateway in GATEWAYS for put in written[gateway]]
    elected_s = run.elected_s(utc_s + at[0])
    acks = sorted(put.done_s for put in puts if put.outcome == "ok")
    gap_s = max(b - a for a, b in pairwise(acks) if b > at[0])
    lost = sum(run.lost(some, f"{prefix}{node}/") for node, some in written.items())
    print(
        f"  {victim:7} {'leader' if victim == leader else 'follower':9} {how:7}  "
        f"{f'{elected_s:.2f} s' if elected_s is not None else 'none':>8}   {gap_s:5.2f} s   {run.terms()[0] - before:5}   "
        f"{outcomes(puts)}   {lost:4}", flush=True,
    )  # fmt: skip
    while any(one["phase"] != "ready" for one in run.services()):
        time.sleep(0.5)


def failures() -> None:
    """Leaders and followers whose satellite is killed, or in the dark for 10 s."""
    with up(variant()) as run:
        print(
            "  member  it was    lost by   elected after   no put for   terms   puts of 20 s   acknowledged and lost"
        )
        number = 0
        for how in ("killed", "dark"):
            for leader in MEMBERS:
                fail(run, leader, leader, how, number := number + 1)
            fail(run, "p2s05", "p3s07", how, number := number + 1)
    print("  without --pre-vote:")
    with up(variant(pre_vote=False)) as run:
        fail(run, "p2s05", "p3s07", "dark", 1)


def short() -> None:
    """Time-outs that are too short, and those of etcd itself, with and without --pre-vote, over the busiest window."""
    start_s = busiest(list(handovers(load_text(variant()), MEMBERS, ORBIT_S)), 1)[0]
    print("  heartbeat  election  pre-vote   planned handovers   elections   puts                     lost")
    for heartbeat_ms, election_ms, pre_vote in (
        (100, 1000, False),
        (40, 200, True),
        (40, 200, False),
        (20, 100, True),
        (20, 100, False),
        (10, 50, True),
        (10, 50, False),
    ):
        told = f"  {heartbeat_ms:6} ms {election_ms:6} ms  {'yes' if pre_vote else 'no':8}"
        try:
            text = variant(start_s, heartbeat_ms=heartbeat_ms, election_ms=election_ms, pre_vote=pre_vote)
            with up(text) as run:
                print(f"{told}   {_window(run)}", flush=True)
        except NeverReady as never:
            print(f"{told}   {'-':>17}   {never.term:9}   in 30 s, and still not ready", flush=True)


def _window(run: Run) -> str:
    """The rest of a row: a window of puts to whoever leads."""
    time.sleep(max(0.0, SETTLED_S - run.now_s()))
    before, first_s = run.terms()[0], run.now_s()
    written = write(run, [(gateway, run.members, 5.0) for gateway in GATEWAYS], WINDOW_S, "w/")
    elections, last_s = run.terms()[0] - before, run.now_s()
    planned = sum(one.t_s > first_s for one in handovers(run.geometry, run.members, last_s))
    lost = sum(run.lost(puts, f"w/{node}/") for node, puts in written.items())
    every = [put for puts in written.values() for put in puts]
    return f"{planned:17}   {elections:9}   {outcomes(every)}   {lost:4}"


def outcomes(puts: Sequence[Put]) -> str:
    """How many puts ended how."""
    count = {what: sum(put.outcome == what for put in puts) for what in ("ok", "fail", "unknown")}
    return f"{count['ok']:4} ok {count['fail']:2} failed {count['unknown']:3} unknown"


STYLE = (
    "svg{background:#fff;font:12px sans-serif}.grid{stroke:#ddd}.axis{stroke:#444}"
    ".tick,.label{fill:#444}.dots{stroke:#1864ab;stroke-linecap:round;fill:none}.line{stroke:#c92a2a;fill:none}"
)
PARTS = {"timeouts": timeouts, "placement": placement, "floor": floor, "failures": failures, "short": short}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
