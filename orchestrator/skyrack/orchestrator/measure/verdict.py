"""The verdict: `ok`, `bad` or `inconclusive`, with reasons. Pure.

    0. A promise broken    a check of the history is bad: no noise loses what was acknowledged   -> bad
    1. Proven wrong        a delay off by more than noise can make it, a false outage or reply   -> bad
    2. Not to be trusted   host not quiet, fabric out of bounds, errors large, probes too few    -> inconclusive
    3. A threshold fails   over operations in quiet windows as well                              -> bad
                           over all operations only                                              -> inconclusive
    4. Everything holds                                                                          -> ok

What is proven wrong comes first: noise neither moves the fast tenth of the probes nor makes a packet early, so it
needs quiet windows but not a quiet run. A user's threshold comes last: on a run that cannot be trusted neither its
failing nor its holding says anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from skyrack.orchestrator.measure import fidelity as limits
from skyrack.orchestrator.measure.counters import FabricFigures
from skyrack.orchestrator.measure.fidelity import Fidelity
from skyrack.orchestrator.measure.host import HostSummary
from skyrack.orchestrator.measure.operations import Threshold

MIN_QUIET_WINDOWS = 5
MIN_QUIET_RATIO = 1 / 3
MAX_LATENESS_P99_S = 0.5e-3
MAX_INGRESS_LAG_P99_S = 1e-3
MAX_BUSY_RATIO = 0.9
NOT_FAITHFUL = "not faithful"  # begins every reason that says the host was too slow or too noisy


class Verdict(StrEnum):
    """What a run proves."""

    OK = "ok"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_status(self) -> int:
        """0 fine, 3 a check failed, 4 the host was too slow or noisy to tell."""
        return {Verdict.OK: 0, Verdict.BAD: 3, Verdict.INCONCLUSIVE: 4}[self]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the verdict. `ok` is None when it could not be judged; `value` None when nothing was measured."""

    name: str
    ok: bool | None
    value: float | None
    limit: float
    unit: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict with every check and the reasons for anything but `ok`, most important first."""

    verdict: Verdict
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]


def decide(
    *,
    fidelity: Fidelity,
    host: HostSummary,
    fabric: FabricFigures,
    thresholds: Sequence[Threshold] = (),
    within_500us_limit: float | None = None,
    untimed: str | None = None,
    doubts: Sequence[str] = (),
    broken: Sequence[str] = (),
) -> Decision:
    """Weigh everything. `doubts` are the caller's own reasons not to trust the run (cut short, disk full).

    `broken`: what the history proves, however the host was. `untimed`: why thresholds on time say nothing (timing.py).
    """
    needed = max(MIN_QUIET_WINDOWS, round(host.windows * MIN_QUIET_RATIO))
    wrong = [*broken, *_wrong(fidelity, quiet_enough=host.quiet_windows >= needed, fabric=fabric)]
    unfaithful = [*_doubt_host(host, needed), *_doubt_fabric(fabric), *_doubt_delays(fidelity, wrong)]
    doubt = [*doubts, *(f"{NOT_FAITHFUL}: {why}" for why in unfaithful), *_doubt_count(fidelity)]
    timed = untimed is None
    if not timed and thresholds:
        doubt.append(f"thresholds on time say nothing, {untimed}")
    failed, excused = _split_failed(thresholds if timed else ())
    ratio = fidelity.within_500us_ratio
    if within_500us_limit is not None and ratio is not None and ratio < within_500us_limit:
        failed.append(f"within 0.5 ms >= {within_500us_limit * 100:g} % does not hold")
    checks = (
        *_threshold_checks(thresholds, timed),
        *_fidelity_checks(fidelity, within_500us_limit),
        Check("quiet host windows", host.quiet_windows >= needed, host.quiet_windows, needed, "windows"),
        *_fabric_checks(fabric),
    )
    if wrong:
        return Decision(Verdict.BAD, checks, (*wrong, *doubt, *failed, *excused))
    if doubt:
        return Decision(Verdict.INCONCLUSIVE, checks, (*doubt, *failed, *excused))
    if failed:
        return Decision(Verdict.BAD, checks, (*failed, *excused))
    if excused:
        return Decision(Verdict.INCONCLUSIVE, checks, tuple(excused))
    return Decision(Verdict.OK, checks, ())


def _wrong(fidelity: Fidelity, *, quiet_enough: bool, fabric: FabricFigures) -> list[str]:
    """What no noise explains. A shift has its own minimum of quiet probes, one lost or extra reply needs a quiet run."""
    found = []
    if fidelity.shifts:
        worst = fidelity.shifts[0]
        others = f", and {len(fidelity.shifts) - 1} more links or pairs" if len(fidelity.shifts) > 1 else ""
        side = "late" if worst.error_s > 0 else "early"
        found.append(
            f"{worst.what}: even the best tenth of {worst.packets} quiet probes "
            f"is {abs(worst.error_s) * 1e3:.2f} ms {side}{others}"
        )
    if quiet_enough and fabric.tun_dropped == 0 and fabric.restarts == 0:
        if fidelity.false_outages:
            found.append(f"{fidelity.false_outages} probes were lost on paths that were deliverable")
        if fidelity.unexpected_replies:
            found.append(
                f"{fidelity.unexpected_replies} probes were answered over paths that were dark or unreachable"
            )
    return found


def _doubt_host(host: HostSummary, needed: int) -> list[str]:
    if host.quiet_windows >= needed:
        return []
    worst = sorted(host.noise.items(), key=lambda item: -item[1])
    causes = ", ".join(f"{kind} in {count}" for kind, count in worst) or "no windows"
    return [f"host not quiet: {host.quiet_windows} of {host.windows} windows, {needed} needed ({causes})"]


def _doubt_count(fidelity: Fidelity) -> list[str]:
    if fidelity.packets >= limits.MIN_PACKETS:
        return []
    return [f"only {fidelity.packets} probes could be judged in quiet seconds, {limits.MIN_PACKETS} needed"]


def _doubt_fabric(fabric: FabricFigures) -> list[str]:
    found = []
    if _above(fabric.lateness_p99_s, MAX_LATENESS_P99_S):
        found.append(f"the fabric was late: p99 above {MAX_LATENESS_P99_S * 1e3:g} ms")
    if _above(fabric.ingress_lag_p99_s, MAX_INGRESS_LAG_P99_S):
        found.append(f"packets waited to be read: ingress lag p99 above {MAX_INGRESS_LAG_P99_S * 1e3:g} ms")
    if fabric.tun_dropped:
        found.append(f"the kernel dropped {fabric.tun_dropped} packets the fabric could not read in time")
    if fabric.restarts:
        found.append(f"the fabric ended and was restarted, {fabric.restarts} times")
    if _above(fabric.busy_ratio, MAX_BUSY_RATIO):
        found.append(f"the fabric's loop was saturated: busy more than {MAX_BUSY_RATIO:.0%} of the time")
    return found


def _doubt_delays(fidelity: Fidelity, wrong: Sequence[str]) -> list[str]:
    """Errors out of bounds without proof of what is wrong, and losses a doubtful run cannot pin on the emulation."""
    found = []
    if _above(fidelity.median_s, limits.MAX_MEDIAN_S):
        found.append(f"median error above {limits.MAX_MEDIAN_S * 1e3:g} ms in quiet windows")
    if _above(fidelity.p99_s, limits.MAX_P99_S):
        found.append(f"p99 error above {limits.MAX_P99_S * 1e3:g} ms in quiet windows")
    if not wrong and (fidelity.false_outages or fidelity.unexpected_replies):
        found.append("probes were lost or answered against the computed paths")
    return found


def _split_failed(thresholds: Sequence[Threshold]) -> tuple[list[str], list[str]]:
    failed = [f"{t.name} does not hold" for t in thresholds if not t.holds and t.holds_quietly is False]
    excused = [
        f"{t.name} does not hold, but the host's noise may be why"
        for t in thresholds
        if not t.holds and t.holds_quietly is not False
    ]
    return failed, excused


def _threshold_checks(thresholds: Sequence[Threshold], timed: bool) -> list[Check]:
    return [Check(t.name, t.holds if timed else None, t.value, t.limit, t.unit) for t in thresholds]


def _fidelity_checks(fidelity: Fidelity, within_500us_limit: float | None) -> list[Check]:
    checks = [
        _at_most("fidelity median <= 0.2 ms", fidelity.median_s, limits.MAX_MEDIAN_S, "s"),
        _at_most("fidelity p99 <= 1 ms", fidelity.p99_s, limits.MAX_P99_S, "s"),
        Check("no systematic error", not fidelity.shifts, fidelity.worst_s, limits.SHIFT_S, "s"),
        _at_most("no false outage", fidelity.false_outages, 0, "probes"),
        _at_most("no unexpected reply", fidelity.unexpected_replies, 0, "probes"),
    ]
    if within_500us_limit is not None:
        ratio = fidelity.within_500us_ratio
        holds = None if ratio is None else ratio >= within_500us_limit
        name = f"within 0.5 ms >= {within_500us_limit * 100:g} %"
        checks.append(Check(name, holds, ratio, within_500us_limit, "ratio"))
    return checks


def _fabric_checks(fabric: FabricFigures) -> list[Check]:
    return [
        _at_most("fabric lateness p99", fabric.lateness_p99_s, MAX_LATENESS_P99_S, "s"),
        _at_most("fabric ingress lag p99", fabric.ingress_lag_p99_s, MAX_INGRESS_LAG_P99_S, "s"),
        _at_most("fabric TUN drops", fabric.tun_dropped, 0, "packets"),
        _at_most("fabric restarts", fabric.restarts, 0, "times"),
        _at_most("fabric loop busy", fabric.busy_ratio, MAX_BUSY_RATIO, "ratio"),
    ]


def _at_most(name: str, value: float | None, limit: float, unit: str) -> Check:
    return Check(name, None if value is None else value <= limit, value, limit, unit)


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit
