"""What a verification proves: the verdict on the run (verdict.py), and beside it every row and the host's floor. Pure.

a row does not hold                          -> bad, where noise cannot be why
errors beyond the host's floor too large     -> inconclusive: not faithful
a pair had too few probes in quiet seconds   -> inconclusive
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skyrack.orchestrator.measure.conformance import Quantity, Row
from skyrack.orchestrator.measure.fidelity import Fidelity
from skyrack.orchestrator.measure.verdict import NOT_FAITHFUL, Check, Decision, Verdict

MAX_MEDIAN_BEYOND_S = 0.1e-3
MAX_P99_BEYOND_S = 0.5e-3
NOUNS: dict[Quantity, str] = {
    "rtt": "round trips of pairs",
    "loss": "losses of pairs and links",
    "outage": "outages of pairs",
    "delay": "delays of links",
    "rate": "rates of links, both ways",
    "train": "packet trains",
}
# Losses are judged in quiet seconds, but by single packets: as for any false outage, the run has to be quiet as well.
_NEEDS_QUIET = ("loss", "outage", "train")
_NEEDED: tuple[Quantity, ...] = ("rtt",)


def conclude(run: Decision, rows: Sequence[Row], mesh: Fidelity, floor: Fidelity | None) -> Decision:
    """The run's own verdict with the rows and the floor (None where there was none) taken into account."""
    trusted = run.verdict is not Verdict.INCONCLUSIVE
    wrong = [text for text, quantity in _failures(rows) if trusted or quantity not in _NEEDS_QUIET]
    checks = [*_row_checks(rows), *_floor_checks(mesh, floor)]
    doubt = [
        f"{NOT_FAITHFUL}: {check.name} does not hold"
        for check in _floor_checks(mesh, floor)
        if check.ok is False
    ]
    unjudged = [row for row in rows if row.quantity in _NEEDED and row.ok is None]
    if unjudged:
        doubt.append(
            f"{len(unjudged)} pairs could not be judged, first {unjudged[0].name}: {unjudged[0].note}"
        )
    reasons = (*wrong, *(reason for reason in run.reasons if reason not in wrong), *doubt)
    everything = (*checks, *run.checks)
    if wrong or run.verdict is Verdict.BAD:
        return Decision(Verdict.BAD, everything, reasons)
    if doubt or run.verdict is Verdict.INCONCLUSIVE:
        return Decision(Verdict.INCONCLUSIVE, everything, reasons)
    return Decision(Verdict.OK, everything, ())


def _failures(rows: Iterable[Row]) -> list[tuple[str, Quantity]]:
    """One sentence per quantity that fails somewhere, its worst case named."""
    found: list[tuple[str, Quantity]] = []
    failed = [row for row in rows if row.ok is False]
    for quantity, noun in NOUNS.items():
        group = [row for row in failed if row.quantity == quantity]
        if group:
            worst = max(group, key=lambda row: (abs(row.error or 0.0), row.samples))
            more = f", and {len(group) - 1} more" if len(group) > 1 else ""
            found.append((f"{noun}: {worst.name}: {worst.note}{more}", quantity))
    return found


def _row_checks(rows: Sequence[Row]) -> list[Check]:
    checks = []
    for quantity, noun in NOUNS.items():
        judged = [row for row in rows if row.quantity == quantity and row.ok is not None]
        if judged:
            failed = sum(row.ok is False for row in judged)
            checks.append(Check(noun, not failed, failed, 0, f"of {len(judged)} wrong"))
    return checks


def _floor_checks(mesh: Fidelity, floor: Fidelity | None) -> list[Check]:
    if floor is None:
        return []
    return [
        _beyond(
            "median error beyond the host's floor <= 0.1 ms",
            mesh.median_s,
            floor.median_s,
            MAX_MEDIAN_BEYOND_S,
        ),
        _beyond("p99 error beyond the host's floor <= 0.5 ms", mesh.p99_s, floor.p99_s, MAX_P99_BEYOND_S),
    ]


def _beyond(name: str, mesh_s: float | None, floor_s: float | None, limit_s: float) -> Check:
    if mesh_s is None or floor_s is None:
        return Check(name, None, None, limit_s, "s")
    return Check(name, mesh_s - floor_s <= limit_s, mesh_s - floor_s, limit_s, "s")
