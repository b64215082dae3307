"""What each pair and each link should have done beside what it did, one row per quantity. Pure.

    pair   rtt       median round trip; judged by the fast tenth, as fidelity.py does
           loss      share of probes lost while there was a way, against what the scenario loses at random
           outage    time without a way: probes must be lost then, and only then, to the spacing of the pair's probes
    link   delay     of the plan; what probes that crossed the link were off by, per crossing
           loss      of probes that crossed it
    way    rate      one direction of a link: rate_rows.py

Only probes whose whole flight lies in quiet seconds count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skyrack.orchestrator.measure.chance import tail_bound
from skyrack.orchestrator.measure.fidelity import SHIFT_S, Sample, links_of, systematic
from skyrack.orchestrator.measure.host import QuietTimes
from skyrack.orchestrator.measure.stats import quantile

Kind = Literal["pair", "link", "way"]
Quantity = Literal["rtt", "loss", "outage", "delay", "rate", "train"]

MIN_PROBES = 5
# Of all the losses that are judged in a run together: one run in a thousand fails by chance.
CHANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity. `error` is measured minus expected. `ok` is None where it could not be judged; `note` says why."""

    kind: Kind
    name: str
    quantity: Quantity
    expected: float | None
    measured: float | None
    error: float | None
    unit: Literal["s", "ratio", "bit/s"]
    samples: int
    ok: bool | None
    note: str = ""


def rows(
    samples: Iterable[Sample],
    quiet: QuietTimes,
    *,
    pairs: Sequence[str],
    spacing_s: float,
    link_delay_s: Mapping[str, float],
    admitted_s: float = 0.0,
) -> list[Row]:
    """Rows of `pairs` and of the links their probes crossed.

    Args:
        spacing_s: time between two probes of a pair.
        link_delay_s: one-way delays of links by plan, by name; a link that is not there now has none.
        admitted_s: lateness the fabric itself reports for its median delivery.
    """
    by_pair: dict[str, list[Sample]] = {pair: [] for pair in pairs}
    by_link: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.settled and quiet.covers(sample.t_s, sample.t_s + sample.flight_s):
            by_pair[sample.pair].append(sample)
            if sample.computed_s is not None:
                for link in links_of(sample):
                    by_link.setdefault(link, []).append(sample)
    bound_s = SHIFT_S + 2 * admitted_s
    alpha = CHANCE / max(1, len(by_pair) + len(by_link))
    found: list[Row] = []
    for pair, group in by_pair.items():
        found += _pair_rows(pair, group, spacing_s, bound_s, alpha)
    for link, group in sorted(by_link.items()):
        found += [
            _delay_row(link, group, link_delay_s.get(link), bound_s),
            _loss_row("link", link, group, alpha),
        ]
    return found


@dataclass(frozen=True, slots=True)
class Unsorted:
    """Figures over all probes, in quiet seconds and others: they prove nothing, and show what the noise has done."""

    probes: int
    false_outages: int
    median_s: float | None
    p99_s: float | None


def unsorted(samples: Sequence[Sample]) -> Unsorted:
    """Quantiles are of the absolute error."""
    distances = [abs(error) for error in _errors(samples)]
    false = sum(is_false_outage(sample) for sample in samples if sample.settled)
    return Unsorted(len(samples), false, quantile(distances, 0.5), quantile(distances, 0.99))


def _pair_rows(
    pair: str, group: Sequence[Sample], spacing_s: float, bound_s: float, alpha: float
) -> list[Row]:
    deliverable = [sample for sample in group if sample.computed_s is not None]
    found = []
    if deliverable or not group:
        found += [_rtt_row(pair, deliverable, bound_s), _loss_row("pair", pair, deliverable, alpha)]
    if len(deliverable) < len(group) or any(is_false_outage(sample) for sample in deliverable):
        found.append(_outage_row(pair, group, spacing_s))
    return found


def _errors(group: Sequence[Sample]) -> list[float]:
    return [
        s.measured_s - s.computed_s for s in group if s.measured_s is not None and s.computed_s is not None
    ]


def _rtt_row(pair: str, group: Sequence[Sample], bound_s: float) -> Row:
    errors = _errors(group)
    ok, note = _judged(errors, bound_s)
    back = [sample for sample in group if sample.measured_s is not None]
    expected_s = quantile([s.computed_s for s in back if s.computed_s is not None], 0.5)
    measured_s = quantile([s.measured_s for s in back if s.measured_s is not None], 0.5)
    return Row("pair", pair, "rtt", expected_s, measured_s, quantile(errors, 0.5), "s", len(errors), ok, note)


def _delay_row(link: str, group: Sequence[Sample], delay_s: float | None, bound_s: float) -> Row:
    errors = _errors(group)
    ok, note = _judged(errors, bound_s)
    # A round trip crosses the link twice; what is off by no more than noise is put down to no link.
    error_s = systematic(errors)[0] / 2 if errors else None
    measured_s = delay_s + error_s if delay_s is not None and error_s is not None else None
    return Row("link", link, "delay", delay_s, measured_s, error_s, "s", len(errors), ok, note)


def _judged(errors: Sequence[float], bound_s: float) -> tuple[bool | None, str]:
    if len(errors) < MIN_PROBES:
        return None, f"{len(errors)} of {MIN_PROBES} probes needed in quiet seconds"
    error_s, size_s = systematic(errors)
    if size_s <= bound_s:
        return True, ""
    return False, f"even the best tenth is {size_s * 1e3:.2f} ms {'late' if error_s > 0 else 'early'}"


def _loss_row(kind: Kind, name: str, group: Sequence[Sample], alpha: float) -> Row:
    sent, lost = len(group), sum(sample.measured_s is None for sample in group)
    if not sent:
        return Row(kind, name, "loss", None, None, None, "ratio", 0, None, "no probe in quiet seconds")
    expected = sum(1.0 - sample.kept_ratio for sample in group) / sent
    ok = tail_bound(lost, sent, expected) >= alpha
    note = "" if ok else f"{lost} of {sent} lost, {expected * sent:.1f} to be expected"
    return Row(kind, name, "loss", expected, lost / sent, lost / sent - expected, "ratio", sent, ok, note)


def _outage_row(pair: str, group: Sequence[Sample], spacing_s: float) -> Row:
    planned = sum(sample.computed_s is None for sample in group)
    answered = sum(sample.computed_s is None and sample.measured_s is not None for sample in group)
    false = sum(is_false_outage(sample) for sample in group)
    expected_s, measured_s = planned * spacing_s, (planned - answered + false) * spacing_s
    parts = [f"{answered} answered without a way"] if answered else []
    parts += [f"{false} lost with one"] if false else []
    note = ", ".join(parts)
    error_s = measured_s - expected_s
    return Row("pair", pair, "outage", expected_s, measured_s, error_s, "s", len(group), not parts, note)


def is_false_outage(sample: Sample) -> bool:
    """Whether it was lost though there was a way on which nothing is lost at random."""
    return sample.measured_s is None and sample.computed_s is not None and sample.kept_ratio == 1.0
