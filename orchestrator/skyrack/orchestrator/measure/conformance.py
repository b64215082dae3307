"""What each pair and each link should have done beside what it did, one row per quantity. Pure.

    pair   rtt       median round trip; judged by the fast tenth, as fidelity.py does
           loss      share of probes lost while there was a way, against what the scenario loses at random
           outage    time without a way: probes must be lost then, and only then, to the spacing of the pair's probes
    link   delay     of the plan; what probes that crossed the link were off by, per crossing
           loss      of probes that crossed it
    way    rate      one direction of a link: rate_rows.py

Probes count whose whole flight lies in quiet seconds; where these are too few, noisy seconds can still prove a delay wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from skyrack.orchestrator.measure.chance import tail_bound
from skyrack.orchestrator.measure.fidelity import SHIFT_S, Sample, links_of, systematic
from skyrack.orchestrator.measure.host import QuietTimes
from skyrack.orchestrator.measure.stats import quantile

Kind = Literal["pair", "link", "way"]
Quantity = Literal["rtt", "loss", "outage", "delay", "rate", "train"]

MIN_PROBES = 5
MIN_NOISY_PROBES = 10
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far even the fast tenth of the probes may be off: in quiet seconds, and in any (None: that proves nothing)."""

    quiet_s: float
    noisy_s: float | None


@dataclass(slots=True)
class _Group:
    """Probes of a pair or over a link: those whose flight lies in quiet seconds, and all."""

    quiet: list[Sample] = field(default_factory=list)
    every: list[Sample] = field(default_factory=list)


def rows(
    samples: Iterable[Sample],
    quiet: QuietTimes,
    *,
    pairs: Sequence[str],
    spacing_s: float,
    link_delay_s: Mapping[str, float],
    admitted_s: float = 0.0,
    noise_s: float | None = None,
) -> list[Row]:
    """Rows of `pairs` and of the links their probes crossed.

    Args:
        spacing_s: time between two probes of a pair.
        link_delay_s: one-way delays of links by plan, by name; a link that is not there now has none.
        admitted_s: lateness the fabric itself reports for its median delivery.
        noise_s: what the host adds to a round trip in its worst hundredth, quiet seconds or not: the floor's p99. What even
            the fast tenth of the probes is off by beyond that is no noise.
    """
    by_pair = {pair: _Group() for pair in pairs}
    by_link: dict[str, _Group] = {}
    for sample in samples:
        if not sample.settled:
            continue
        links = links_of(sample) if sample.computed_s is not None else ()
        calm = quiet.covers(sample.t_s, sample.t_s + _matters_s(sample))
        for group in (by_pair[sample.pair], *(by_link.setdefault(link, _Group()) for link in links)):
            group.every.append(sample)
            if calm:
                group.quiet.append(sample)
    bounds = Bounds(SHIFT_S + 2 * admitted_s, None if noise_s is None else SHIFT_S + noise_s)
    alpha = CHANCE / max(1, len(by_pair) + len(by_link))
    found: list[Row] = []
    for pair, group in by_pair.items():
        found += _pair_rows(pair, group, spacing_s, bounds, alpha)
    for link, group in sorted(by_link.items()):
        found.append(_delay_row(link, group, link_delay_s.get(link), bounds))
        found.append(_loss_row("link", link, group.quiet, alpha))
    return found


def _matters_s(sample: Sample) -> float:
    """How long after sending the host can have had a part in what became of a probe.

    Where links lose some at random, a lost probe counts under the same condition as one that came back. To ask for quiet
    until the prober gave it up would leave out lost ones more often, and the share of losses would come out too small.
    """
    if sample.measured_s is None and sample.computed_s is not None and sample.kept_ratio < 1.0:
        return sample.computed_s
    return sample.flight_s


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


def _pair_rows(pair: str, group: _Group, spacing_s: float, bounds: Bounds, alpha: float) -> list[Row]:
    deliverable = _Group(_deliverable(group.quiet), _deliverable(group.every))
    found = []
    if deliverable.every or not group.every:
        found += [_rtt_row(pair, deliverable, bounds), _loss_row("pair", pair, deliverable.quiet, alpha)]
    if len(deliverable.quiet) < len(group.quiet) or any(is_false_outage(one) for one in deliverable.quiet):
        found.append(_outage_row(pair, group.quiet, spacing_s))
    return found


def _deliverable(group: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in group if sample.computed_s is not None]


def _errors(group: Sequence[Sample]) -> list[float]:
    return [
        s.measured_s - s.computed_s for s in group if s.measured_s is not None and s.computed_s is not None
    ]


def _rtt_row(pair: str, group: _Group, bounds: Bounds) -> Row:
    used, ok, note = _judged(group, bounds)
    errors = _errors(used)
    back = [sample for sample in used if sample.measured_s is not None]
    expected_s = quantile([s.computed_s for s in back if s.computed_s is not None], 0.5)
    measured_s = quantile([s.measured_s for s in back if s.measured_s is not None], 0.5)
    return Row("pair", pair, "rtt", expected_s, measured_s, quantile(errors, 0.5), "s", len(errors), ok, note)


def _delay_row(link: str, group: _Group, delay_s: float | None, bounds: Bounds) -> Row:
    used, ok, note = _judged(group, bounds)
    errors = _errors(used)
    # A round trip crosses the link twice; what is off by no more than noise is put down to no link.
    error_s = systematic(errors)[0] / 2 if errors else None
    measured_s = delay_s + error_s if delay_s is not None and error_s is not None else None
    return Row("link", link, "delay", delay_s, measured_s, error_s, "s", len(errors), ok, note)


def _judged(group: _Group, bounds: Bounds) -> tuple[Sequence[Sample], bool | None, str]:
    """Which probes tell, whether they hold, and what is wrong. Noisy seconds can prove a delay wrong and never right."""
    errors = _errors(group.quiet)
    if len(errors) >= MIN_PROBES:
        note = _off(errors, bounds.quiet_s)
        return group.quiet, not note, note
    every = _errors(group.every)
    if (
        bounds.noisy_s is not None
        and len(every) >= MIN_NOISY_PROBES
        and (note := _off(every, bounds.noisy_s))
    ):
        return group.every, False, f"{note}, noisy seconds or not"
    return group.quiet, None, f"{len(errors)} of {MIN_PROBES} probes needed in quiet seconds"


def _off(errors: Sequence[float], bound_s: float) -> str:
    """By how much even the fast tenth is late (or the slow one early); empty within the bound."""
    error_s, size_s = systematic(errors)
    if size_s <= bound_s:
        return ""
    return f"even the best tenth is {size_s * 1e3:.2f} ms {'late' if error_s > 0 else 'early'}"


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
