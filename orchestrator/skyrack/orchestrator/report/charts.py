"""The drawings of the report: latency over time and as a distribution, the error of the emulation, the host."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skyrack.orchestrator.measure.fidelity import MAX_MEDIAN_S, MAX_P99_S, Sample
from skyrack.orchestrator.measure.host import QuietTimes, Window
from skyrack.orchestrator.measure.operations import Operation
from skyrack.orchestrator.measure.stats import quantile
from skyrack.orchestrator.report.svg import Chart
from skyrack.orchestrator.report.words import duration

_MOST_DOTS = 6_000
_BINS = 60
_MARKED = ("node_dark", "node_lit", "fabric_down", "fabric_up")
_MOST_MARKERS = 12


def latency_over_time(
    operations: Sequence[Operation],
    windows: Sequence[Window],
    events: Sequence[Mapping[str, Any]],
    start_s: float,
) -> str:
    """A dot per answered operation at its intended start; failed and unknown ones along the top; noisy seconds shaded."""
    answered = [(op.intended_s - start_s, op.latency_s * 1e3) for op in operations if op.answered]
    end = max([op.intended_s - start_s for op in operations] + [1.0])
    top = _ceiling([y for _, y in answered])
    chart = Chart(
        "Latency over time", (0.0, end), (0.0, top * 1.12), "seconds since the workload began", "latency, ms"
    )
    for window in windows:
        if not window.quiet:
            causes = ", ".join(f"{kind}: {text}" for kind, text in window.noise().items())
            chart.bar(
                window.start_s - start_s,
                window.end_s - start_s,
                0,
                top * 1.12,
                "noisy-band",
                f"noisy: {causes}",
            )
    shown = answered
    if len(answered) > _MOST_DOTS:
        # The slowest are the story; of the rest a sample.
        slow = sorted(answered, key=lambda point: -point[1])[: _MOST_DOTS // 6]
        shown = [*slow, *random.Random(1).sample(answered, _MOST_DOTS - len(slow))]
    chart.dots(shown, "ok")
    for kind, height in (("fail", 1.08), ("unknown", 1.05)):
        chart.dots(
            [
                (op.intended_s - start_s, top * height)
                for op in operations
                if op.kind == kind and not op.answered
            ],
            kind,
            2.2,
        )
    for row, (at_s, label, tip) in enumerate(_markers(events, start_s, end / 200)):
        chart.vertical(at_s, "event", label, tip, 1 + row % 4)
    return chart.render()


def _markers(
    events: Sequence[Mapping[str, Any]], start_s: float, together_s: float
) -> Iterator[tuple[float, str, str]]:
    """Events worth a line in the drawing: (time, label, tooltip); one for equal events that happen together."""
    groups: list[tuple[float, str, list[str]]] = []
    for event in events:
        if event["event"] not in _MARKED:
            continue
        at_s, word, who = (
            event["run_s"] - start_s,
            event["event"].rpartition("_")[2],
            event.get("node", "fabric"),
        )
        if groups and groups[-1][1] == word and at_s - groups[-1][0] < together_s:
            groups[-1][2].append(who)
        else:
            groups.append((at_s, word, [who]))
    for at_s, word, names in groups[:_MOST_MARKERS]:
        who = names[0] if len(names) == 1 else f"{len(names)} nodes"
        yield at_s, f"{who} {word}", f"{at_s:.2f} s: {', '.join(names)} {word}"


def latency_distribution(operations: Sequence[Operation]) -> str:
    """How many answered operations took how long, with the quantiles a threshold can name."""
    values = [op.latency_s * 1e3 for op in operations if op.answered]
    high = _ceiling(values)
    counts = _histogram(values, 0.0, high)
    most = max([*counts, 1])
    chart = Chart(
        "Latency distribution", (0.0, high), (0.0, most * 1.15), "latency, ms", "operations", height=220
    )
    _bars(chart, counts, 0.0, high, "ok", "ms")
    for row, (name, q) in enumerate((("p50", 0.5), ("p90", 0.9), ("p99", 0.99))):
        if (value := quantile(values, q)) is not None:
            chart.vertical(value, "quantile", f"{name} {value:.4g} ms", f"{name}: {value:.3f} ms", row)
    return chart.render()


def fidelity_histogram(samples: Sequence[Sample], quiet: QuietTimes) -> str:
    """Measured minus computed of every probe that came back: quiet ones filled, those from noisy seconds hollow."""
    calm: list[float] = []
    noisy: list[float] = []
    for sample in samples:
        if sample.measured_s is not None and sample.computed_s is not None:
            error_ms = (sample.measured_s - sample.computed_s) * 1e3
            covered = quiet.covers(sample.t_s, sample.t_s + sample.measured_s)
            (calm if covered else noisy).append(error_ms)
    limit_ms = MAX_P99_S * 1e3
    spread = quantile(calm or noisy, 0.99) or 0.0
    low, high = -0.2, max(1.3 * limit_ms, min(5 * limit_ms, spread * 1.2))
    quiet_counts, noisy_counts = _histogram(calm, low, high), _histogram(noisy, low, high)
    most = max([a + b for a, b in zip(quiet_counts, noisy_counts, strict=True)] + [1])
    label = "measured minus computed round trip, ms (the outer bars hold what lies beyond)"
    chart = Chart("Fidelity", (low, high), (0.0, most * 1.15), label, "probes", height=240)
    _bars(chart, quiet_counts, low, high, "ok", "ms", "in quiet seconds")
    _bars(chart, noisy_counts, low, high, "noisy", "ms", "in noisy seconds", base=quiet_counts)
    chart.vertical(0.0, "zero", "", "exactly as computed")
    chart.vertical(MAX_MEDIAN_S * 1e3, "limit", "median limit", f"median limit {duration(MAX_MEDIAN_S)}")
    chart.vertical(limit_ms, "limit", "p99 limit", f"p99 limit {duration(MAX_P99_S)}", 1)
    return chart.render()


def host_strip(windows: Sequence[Window], start_s: float) -> str:
    """One bar per second: how late a sleeper woke (p99), coloured by whether the second counted."""
    end = max([window.end_s - start_s for window in windows] + [1.0])
    first = min([window.start_s - start_s for window in windows] + [0.0])
    top = min(10.0, max([window.canary_p99_s * 1e3 for window in windows] + [1.2]) * 1.2)
    chart = Chart(
        "Host", (first, end), (0.0, top), "seconds since the workload began", "canary p99, ms", height=160
    )
    for window in windows:
        noise = window.noise()
        text = ", ".join(f"{kind} {value}" for kind, value in noise.items()) or "quiet"
        tip = (
            f"{text}; canary p99 {duration(window.canary_p99_s)}, idle {window.idle_ratio:.0%}, "
            f"steal {window.steal_ratio:.1%}"
        )
        height = max(window.canary_p99_s * 1e3, top * 0.02)
        chart.bar(
            window.start_s - start_s, window.end_s - start_s, 0.0, height, "noisy" if noise else "ok", tip
        )
    return chart.render()


def _bars(
    chart: Chart,
    counts: Sequence[int],
    low: float,
    high: float,
    css: str,
    unit: str,
    text: str = "",
    base: Sequence[int] | None = None,
) -> None:
    step = (high - low) / len(counts)
    for i, count in enumerate(counts):
        if count:
            floor = base[i] if base else 0
            tip = f"{low + i * step:.3g} to {low + (i + 1) * step:.3g} {unit}: {count:,} {text}".strip()
            chart.bar(low + i * step, low + (i + 1) * step, floor, floor + count, css, tip)


def _histogram(values: Sequence[float], low: float, high: float) -> list[int]:
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, max(0, int((value - low) / (high - low) * _BINS)))] += 1
    return counts


def _ceiling(values: Sequence[float]) -> float:
    """A top that shows the slowest without letting one time-out flatten the rest."""
    if not values:
        return 1.0
    p99, slowest = quantile(values, 0.99) or 1.0, max(values)
    return max(1e-3, slowest if slowest <= 3 * p99 else 3 * p99) * 1.05
