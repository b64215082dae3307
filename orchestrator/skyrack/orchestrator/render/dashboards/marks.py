"""What happened, as lines through every panel: dark nodes, faults, handovers."""

from __future__ import annotations

from typing import Any

from skyrack.orchestrator.render.dashboards.panels import DATASOURCE

_FAULTS = "node_signalled|node_exited|fabric_down|fabric_up|broker_down|fault_began"
# Colour, name, when (a value of 1 is a mark), what to write beside it.
MARKS = (
    ("red", "Dark nodes", "skyrack_node_up == bool 0", "{{node}} dark"),
    (
        "orange",
        "Faults",
        f'sum by (event) (increase(skyrack_events_total{{event=~"{_FAULTS}"}}[15s])) > bool 0',
        "{{event}}",
    ),
    (
        "blue",
        "Handovers",
        "sum by (node) (increase(skyrack_handovers_total[15s])) > bool 0",
        "{{node}}: handover",
    ),
)


def marks() -> list[dict[str, Any]]:
    """As Grafana writes them."""
    return [_annotation(*mark) for mark in MARKS]


def _annotation(colour: str, name: str, expr: str, title: str) -> dict[str, Any]:
    return {
        "name": name,
        "enable": True,
        "datasource": DATASOURCE,
        "iconColor": colour,
        "expr": expr,
        "step": "5s",
        "titleFormat": title,
        "tagKeys": "node,event",
        "textFormat": "",
        "useValueForTime": False,
    }
