"""Whether the constellation is whole, and what just happened."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards.model import Dashboard, Panel, Query, Row
from skyrack.orchestrator.render.dashboards.phrases import EVERY, GOOD_AT_ONE, GOOD_AT_ZERO, late

DASHBOARD = Dashboard(
    uid="skyrack-overview",
    title="Overview",
    about="Nodes, links and events of the constellation.",
    panels=[
        Panel(
            "stat",
            "Nodes serving",
            [Query("sum(skyrack_node_up)", "serving"), Query("count(skyrack_node_up)", "all")],
            "short",
            width=6,
            height=4,
        ),
        Panel(
            "stat",
            "Parts of the mesh",
            [Query("skyrack_partitions")],
            "short",
            "1: every lit node reaches every other. More: a partition.",
            width=6,
            height=4,
            steps=((None, "red"), (1.0, "green"), (2.0, "red")),
        ),
        late("Lateness p99", "skyrack_fabric_lateness_seconds"),
        Panel(
            "stat",
            "Alerts",
            [Query('count(ALERTS{alertstate="firing"}) or vector(0)')],
            "short",
            width=6,
            height=4,
            steps=GOOD_AT_ZERO,
        ),
        Row("Nodes"),
        Panel(
            "state-timeline",
            "Nodes",
            [Query("max by (node) (skyrack_node_up)", "{{node}}")],
            "short",
            "A node serves while its process runs, its lasers are lit and the orchestrator reaches it.",
            width=16,
            height=12,
            steps=GOOD_AT_ONE,
            names={"0": ("dark", "red"), "1": ("serves", "green")},
        ),
        Panel(
            "timeseries",
            "Links lit",
            [Query("skyrack_links_lit", "{{kind}}")],
            "short",
            width=8,
            height=12,
        ),
        Row("What happens"),
        Panel(
            "timeseries",
            "Events",
            [Query("sum by (event) (increase(skyrack_events_total[1m])) > 0", "{{event}}")],
            "short",
            "Per minute, by name in events.jsonl.",
            stacked=True,
        ),
        Panel(
            "timeseries",
            "Handovers",
            [Query("sum by (node) (increase(skyrack_handovers_total[5m]))", "{{node}}")],
            "short",
            "In five minutes, by ground station.",
            stacked=True,
        ),
        Panel(
            "timeseries",
            "Telemetry",
            [
                Query(f"rate(skyrack_bus_published_total[{EVERY}])", "orchestrator"),
                Query(f"sum(rate(skyrack_node_bus_published_total[{EVERY}]))", "nodes"),
                Query(f"sum(rate(skyrack_node_bus_dropped_total[{EVERY}]))", "nodes, replaced before sent"),
            ],
            "short",
            "Messages per second that the broker took.",
        ),
        Panel(
            "timeseries",
            "Nodes without a broker",
            [Query("count(skyrack_node_bus_connected == 0) or vector(0)", "nodes")],
            "short",
        ),
        Panel(
            "timeseries",
            "Packets delivered",
            [Query(f"rate(skyrack_fabric_delivered_packets_total[{EVERY}])", "delivered")],
            "pps",
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
            "By reason: `queue` is congestion, `dark` a hole that routes have not left yet.",
            stacked=True,
        ),
    ],
)
