"""What load generators see."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards.model import Choice, Dashboard, Panel, Query, Row
from skyrack.orchestrator.render.dashboards.phrases import EVERY, heatmap, quantile

_OPERATIONS = "skyrack_workload_operations_total"
_LATENCY = "skyrack_workload_latency_seconds"
_IT = '{workload="$workload"}'

DASHBOARD = Dashboard(
    uid="skyrack-workload",
    title="Workload",
    about="Operations of `skyrack load`, about once a second while it runs. Verdicts are in the run's report.",
    choices=[Choice("workload", _OPERATIONS, "workload")],
    panels=[
        Panel(
            "timeseries",
            "Operations",
            [Query(f"sum by (outcome) (rate({_OPERATIONS}{_IT}[{EVERY}]))", "{{outcome}}")],
            "ops",
            "fail: has definitely not happened. unknown: may have.",
            stacked=True,
        ),
        Panel(
            "timeseries",
            "Availability",
            [
                Query(
                    f'sum(rate({_OPERATIONS}{{workload="$workload", outcome="ok"}}[{EVERY}]))'
                    f" / (sum(rate({_OPERATIONS}{_IT}[{EVERY}])) > 0)",
                    "share of operations that succeed",
                )
            ],
            "percentunit",
        ),
        Row("Latency"),
        Panel(
            "timeseries",
            "Latency",
            [
                Query(quantile(share, _LATENCY, _IT), name)
                for name, share in (("median", 0.5), ("p90", 0.9), ("p99", 0.99))
            ],
            "s",
            "From the intended start, of operations that succeeded.",
        ),
        heatmap("Latency of all operations", _LATENCY, "Bands are pairs of nodes at different distances."),
        Row("Beside it"),
        Panel(
            "timeseries",
            "Nodes that do not serve",
            [Query("count(skyrack_node_up == 0) or vector(0)", "nodes")],
            "short",
        ),
        Panel(
            "timeseries",
            "Packets not delivered",
            [
                Query(
                    f"sum by (reason) (rate(skyrack_fabric_dropped_packets_total[{EVERY}])) > 0", "{{reason}}"
                )
            ],
            "pps",
            stacked=True,
        ),
    ],
)
