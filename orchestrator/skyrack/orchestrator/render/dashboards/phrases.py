"""PromQL and panels that several dashboards share."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards.model import Panel, Query

EVERY = "$__rate_interval"
GOOD_AT_ZERO = ((None, "green"), (1.0, "red"))
GOOD_AT_ONE = ((None, "red"), (1.0, "green"))


def quantile(share: float, histogram: str, match: str = "") -> str:
    """The quantile of a histogram over the last moments."""
    return f"histogram_quantile({share:g}, sum by (le) (rate({histogram}_bucket{match}[{EVERY}])))"


def quantiles(histogram: str) -> tuple[Query, ...]:
    """Median, 99th percentile and about the worst."""
    shares = {"median": 0.5, "p99": 0.99, "worst bucket": 1.0}
    return tuple(Query(quantile(share, histogram), name) for name, share in shares.items())


def heatmap(title: str, histogram: str, about: str) -> Panel:
    """How a histogram spreads over time."""
    expr = f"sum by (le) (increase({histogram}_bucket[{EVERY}]))"
    return Panel("heatmap", title, [Query(expr, "{{le}}")], "s", about)


def late(title: str, histogram: str) -> Panel:
    """p99 of a histogram as one figure: green within what a verdict calls faithful."""
    steps = ((None, "green"), (0.0005, "red"))
    return Panel("stat", title, [Query(quantile(0.99, histogram))], "s", width=6, height=4, steps=steps)
