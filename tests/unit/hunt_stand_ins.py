"""A world without an orbit and a register that is simulated, with a planted bug, for tests of the hunt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skyrack.orchestrator.hunt.outcome import Outcome
from skyrack.orchestrator.hunt.schedule import PER_S, Fault, Schedule
from skyrack.orchestrator.hunt.search import Hunt, Request
from skyrack.orchestrator.hunt.world import Role

MEMBERS = ("m0", "m1", "m2")
CLIENTS = ("london", "tokyo")
LEASE_DS = 20
HELD_DS = 20
BACK = ("-1s", "-5s", "-30s")
HARD = ("kill", "pause", "dark", "partition")
TRIAL_S = 20.0


@dataclass(frozen=True)
class FlatWorld:
    """Ways change every 37 s and are one hop longer in every other such stretch."""

    service: str = "register"
    members: tuple[str, ...] = MEMBERS
    clients: tuple[str, ...] = CLIENTS
    inhabited: tuple[str, ...] = (*MEMBERS, "s3", *CLIENTS)

    def role(self, name: str) -> Role:
        if name in self.members:
            return "member"
        return "link" if "-" in name else "gateway" if name in self.clients else "satellite"

    def changes_s(self, t0_s: float, t1_s: float) -> tuple[float, ...]:
        return tuple(37.0 * n for n in range(int(t1_s // 37) + 1) if t0_s <= 37.0 * n < t1_s)

    def links(self, t_s: float) -> tuple[tuple[str, str], ...]:
        via = "s3" if t_s // 37 % 2 else "s4"
        return (("london", "m0"), ("m0", "m1"), ("m1", via), ("m2", via), ("m2", "tokyo"))

    def lit(self, node: str, t_s: float) -> int:
        return sum(node in link for link in self.links(t_s))

    def hops(self, t_s: float) -> int | None:
        return 2 + int(t_s // 37 % 2)


def breaks(schedule: Schedule) -> bool:
    """The planted bug: m0 serves reads by a lease of 2 s that it times by its wall clock.

    Its clock is set back by 1 s or more, and within that time it is cut off from the members, and not from the clients, for
    longer than the lease is: it serves what the others overwrite, if nothing else happens to any of them meanwhile.
    """
    slow = [f for f in schedule.faults if f.kind == "clock" and on_leader(f) and f.value in BACK]
    cut = [f for f in schedule.faults if f.kind == "partition" and on_leader(f) and f.target != "m0"]
    for a in slow:
        for b in cut:
            begin_ds, end_ds = max(a.at_ds, b.at_ds), min(a.end_ds, b.end_ds)
            others = [f for f in schedule.faults if f not in (a, b) and f.kind in HARD and f.node in MEMBERS]
            apart = all(
                f.at_ds >= end_ds or f.end_ds + HELD_DS * (f.kind == "kill") <= begin_ds for f in others
            )
            if a.at_ds <= b.at_ds and end_ds - begin_ds > LEASE_DS and apart:
                return True
    return False


def on_leader(fault: Fault) -> bool:
    return fault.node == "m0"


def trial(schedule: Schedule) -> Outcome:
    """What a trial of the simulated register comes to. Deterministic."""
    lost = sum(fault.for_ds for fault in schedule.faults if fault.kind in ("partition", "dark", "pause"))
    recovery_s = max((fault.for_ds / PER_S + 0.5 for fault in schedule.faults), default=None)
    counts = {"ok": 50 * schedule.span_s - lost, "unknown": lost, "recovery_s": recovery_s}
    if breaks(schedule):
        return Outcome("bad", TRIAL_S, ("linearizable",), "operations 17 and 21 conflict", **counts)  # type: ignore[arg-type]
    return Outcome("ok", TRIAL_S, **counts)  # type: ignore[arg-type]


def carried_out(
    hunt: Hunt, carry_out: Callable[[Request], Outcome] = lambda request: trial(request.schedule)
) -> list[Request]:
    """Run a hunt to its end; what it asked for."""
    asked: list[Request] = []
    running = hunt.run()
    try:
        request = next(running)
        while True:
            asked.append(request)
            request = running.send(carry_out(request))
    except StopIteration:
        return asked
