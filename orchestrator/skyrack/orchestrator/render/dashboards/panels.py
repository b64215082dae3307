"""One panel as Grafana writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyrack.orchestrator.render.dashboards.model import Panel

DATASOURCE = {"type": "prometheus", "uid": "skyrack-prometheus"}

Json = dict[str, Any]


def panel_json(panel: Panel) -> Json:
    """Everything but its number and place."""
    instant = panel.kind in ("stat", "table")
    targets = [
        {
            "refId": chr(ord("A") + i),
            "datasource": DATASOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "range": not instant,
            "instant": instant,
            "format": {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series"),
        }
        for i, query in enumerate(panel.queries)
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": targets,
        "options": _OPTIONS[panel.kind],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        **({"transformations": [_WITHOUT_TIME]} if panel.kind == "table" else {}),
    }


_OPTIONS: Mapping[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "none"},
    "state-timeline": {"mergeValues": True, "showValue": "never", "legend": {"showLegend": False}},
    "heatmap": {
        "calculate": False,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "scale": "exponential",
            "exponent": 0.5,
            "steps": 64,
        },
        "yAxis": {"axisPlacement": "left"},
        "tooltip": {"mode": "single", "yHistogram": True},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}
_WITHOUT_TIME: Json = {
    "id": "organize",
    "options": {"excludeByName": dict.fromkeys(("Time", "__name__", "instance", "job", "run"), True)},
}


def _defaults(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit}
    if panel.kind == "timeseries":
        found["min"] = 0
        found["custom"] = {"lineWidth": 1, "fillOpacity": 25 if panel.stacked else 0, "showPoints": "never"}
        if panel.stacked:
            found["custom"]["stacking"] = {"mode": "normal", "group": "A"}
    if panel.steps:
        found["color"] = {"mode": "thresholds"}
        found["thresholds"] = {
            "mode": "absolute",
            "steps": [{"value": value, "color": colour} for value, colour in panel.steps],
        }
    if panel.names:
        options = {
            value: {"text": text, "color": colour, "index": i}
            for i, (value, (text, colour)) in enumerate(panel.names.items())
        }
        found["mappings"] = [{"type": "value", "options": options}]
    return found
