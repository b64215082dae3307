"""One node, as itself and its neighbours see it."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards.model import Choice, Dashboard, Panel, Query, Row
from skyrack.orchestrator.render.dashboards.phrases import EVERY, GOOD_AT_ONE

_IT = '{node="$node"}'


def _figure(title: str, expr: str, unit: str = "short", *, yes_or_no: bool = False) -> Panel:
    return Panel(
        "stat",
        title,
        [Query(expr)],
        unit,
        width=4,
        height=4,
        steps=GOOD_AT_ONE if yes_or_no else (),
        names={"0": ("no", "red"), "1": ("yes", "green")} if yes_or_no else {},
    )


def _both_ways(title: str, what: str, unit: str, factor: str = "") -> Panel:
    expr = f"{factor}rate(skyrack_node_{what}_total{_IT}[{EVERY}])"
    return Panel("timeseries", title, [Query(expr, "{{direction}}")], unit)


DASHBOARD = Dashboard(
    uid="skyrack-node",
    title="Node",
    about="A satellite or ground station: life, traffic, cost.",
    choices=[Choice("node", "skyrack_node_up", "node")],
    panels=[
        _figure("Serves", f"max(skyrack_node_up{_IT})", yes_or_no=True),
        _figure("Lasers lit", f"skyrack_node_attached{_IT}", yes_or_no=True),
        _figure("Orchestrator in reach", f"skyrack_node_joined{_IT}", yes_or_no=True),
        _figure("Neighbours", f"skyrack_node_neighbours{_IT}"),
        _figure("Up for", f"skyrack_node_uptime_seconds{_IT}", "s"),
        _figure("Restarts", f"skyrack_node_restarts_total{_IT}"),
        Row("Links"),
        Panel(
            "timeseries",
            "Delay to neighbours",
            [Query('skyrack_link_delay_seconds{src="$node"}', "{{dst}}")],
            "s",
        ),
        Panel(
            "timeseries",
            "Sent, by neighbour",
            [Query(f'8 * rate(skyrack_link_bytes_total{{src="$node"}}[{EVERY}])', "{{dst}}")],
            "bps",
            "Its own packets and those it forwards.",
            stacked=True,
        ),
        Row("Traffic of its own"),
        _both_ways("mesh0", "mesh_bytes", "bps", "8 * "),
        _both_ways("Packets dropped at mesh0", "mesh_drops", "pps"),
        _both_ways("Payload of Echo", "echo_bytes", "Bps"),
        Panel(
            "timeseries",
            "Echo requests answered",
            [Query(f"rate(skyrack_node_echo_requests_total{_IT}[{EVERY}])", "requests")],
            "reqps",
        ),
        Row("Cost"),
        Panel(
            "timeseries",
            "CPU",
            [
                Query(f"rate(skyrack_node_cpu_seconds_total{_IT}[{EVERY}])", "running"),
                Query(f"rate(skyrack_node_run_delay_seconds_total{_IT}[{EVERY}])", "ready, but not running"),
            ],
            "percentunit",
            "Of one core. A node that is ready but not running makes every figure measured on it too long.",
        ),
        Panel(
            "timeseries",
            "Memory",
            [Query(f"skyrack_node_resident_memory_bytes{_IT}", "resident, shared pages included")],
            "bytes",
        ),
    ],
)
