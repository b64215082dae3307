"""Whether delays are what the orbits say, and who is to blame when they are not."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards.model import Dashboard, Panel, Query, Row
from skyrack.orchestrator.render.dashboards.phrases import (
    EVERY,
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    heatmap,
    late,
    quantiles,
)

DASHBOARD = Dashboard(
    uid="skyrack-fidelity",
    title="Fidelity",
    about="The honesty of the run: how late deliveries are, and how far probes are from the computed delay.",
    panels=[
        late("Lateness p99", "skyrack_fabric_lateness_seconds"),
        late("Probe error p99", "skyrack_fidelity_error_seconds"),
        Panel(
            "stat",
            "Updates that came late",
            [Query("sum(increase(skyrack_fabric_late_segments_total[5m]))")],
            "short",
            "In five minutes: times the fabric had to use delays that were no longer true.",
            width=6,
            height=4,
            steps=GOOD_AT_ZERO,
        ),
        Panel(
            "stat",
            "Real-time priority",
            [Query("skyrack_fabric_realtime")],
            "short",
            width=6,
            height=4,
            steps=GOOD_AT_ONE,
            names={"0": ("no", "red"), "1": ("yes", "green")},
        ),
        Row("Fabric"),
        Panel(
            "timeseries",
            "Lateness",
            quantiles("skyrack_fabric_lateness_seconds"),
            "s",
            "Actual minus due time of deliveries. Lateness does not add up over hops.",
        ),
        heatmap("Lateness of all deliveries", "skyrack_fabric_lateness_seconds", "Deliveries by lateness."),
        Panel(
            "timeseries",
            "Wait before the fabric read",
            quantiles("skyrack_fabric_ingress_lag_seconds"),
            "s",
            "Upper bounds: what lateness alone does not show.",
        ),
        Panel(
            "timeseries",
            "Fabric busy",
            [Query(f"rate(skyrack_fabric_busy_seconds_total[{EVERY}])", "of one core")],
            "percentunit",
            "Near 100 % it is saturated, and packets wait.",
        ),
        Row("Probes: the run's own, and those of a load"),
        Panel(
            "timeseries",
            "Measured minus computed",
            quantiles("skyrack_fidelity_error_seconds"),
            "s",
            "Round trips of ICMP probes against what was computed for the same instant.",
        ),
        heatmap(
            "Errors of all probes",
            "skyrack_fidelity_error_seconds",
            "Below zero: too early, a fault of ours.",
        ),
        Panel(
            "stat",
            "False outages",
            [Query('sum(increase(skyrack_fidelity_probes_total{outcome=~"false_outage|unexpected"}[5m]))')],
            "short",
            "Own probes in five minutes: lost with a way, or answered without one. Full queues lose some, too.",
            width=6,
            height=4,
            steps=GOOD_AT_ZERO,
        ),
        Panel(
            "timeseries",
            "The run's own probes",
            [Query(f"rate(skyrack_fidelity_probes_total[{EVERY}])", "{{outcome}}")],
            "cps",
            "By what became of them; telemetry.fidelity_probes_per_s in the scenario says how many.",
        ),
        Row("Host"),
        Panel(
            "timeseries",
            "Nodes ready, but not running",
            [Query(f"topk(5, rate(skyrack_node_run_delay_seconds_total[{EVERY}]))", "{{node}}")],
            "percentunit",
            "Share of the time that a node's threads waited for a CPU: the worst five.",
        ),
        Panel(
            "timeseries",
            "Packets dropped at mesh0",
            [Query(f"sum by (node) (rate(skyrack_node_mesh_drops_total[{EVERY}])) > 0", "{{node}}")],
            "pps",
            "By the kernel, before the fabric could see them.",
        ),
    ],
)
