"""Dashboards from short descriptions: panels flow from left to right over 24 columns and get what they share here.

    Row("Nodes")
    +---- Stat ----+---- Stat ----+---------- Chart -----------+
    |  6 columns   |              |        12 columns          |
    +--------------+--------------+----------------------------+

The JSON is that of Grafana 11 and 12 (schema 39). Units are Grafana's: s, bps, percentunit, short.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

DATASOURCE = {"type": "prometheus", "uid": "skyrack-prometheus"}
COLUMNS = 24
_SCHEMA = 39

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading; what follows begins below it."""

    title: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `steps`: colours from these values on, for stats and states; `names`: words for values."""

    kind: Literal["timeseries", "stat", "state-timeline", "heatmap", "table"]
    title: str
    queries: Sequence[Query]
    unit: str
    about: str = ""
    width: int = 12
    height: int = 8
    steps: Sequence[tuple[float | None, str]] = ()
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable: the values that `label` has in `metric`. `many`: several at once, or all."""

    name: str
    metric: str
    label: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; `uid` never changes, because links and bookmarks hold it."""

    uid: str
    title: str
    about: str
    panels: Sequence[Panel | Row]
    choices: Sequence[Choice] = ()


def render(dashboard: Dashboard) -> str:
    """The JSON that Grafana reads."""
    return (
        json.dumps(
            {
                "uid": dashboard.uid,
                "title": f"Skyrack / {dashboard.title}",
                "description": dashboard.about,
                "tags": ["skyrack"],
                "schemaVersion": _SCHEMA,
                "editable": False,
                "graphTooltip": 1,  # one cross-hair for all panels
                "refresh": "5s",
                "time": {"from": "now-15m", "to": "now"},
                "timezone": "utc",
                "annotations": {"list": [_annotation(*mark) for mark in _MARKS]},
                "links": [_LINK_TO_OTHERS],
                "templating": {"list": [_variable(choice) for choice in dashboard.choices]},
                "panels": list(_placed(dashboard.panels)),
            },
            indent=1,
        )
        + "\n"
    )


# Colour, name, when (value 1), what to write beside it.
_MARKS = (
    ("red", "Dark nodes", "skyrack_node_up == bool 0", "{{node}} dark"),
    (
        "orange",
        "Faults",
        'sum by (event) (increase(skyrack_events_total{event=~"node_signalled|node_exited|fabric_down|fabric_up"}[15s]))'
        " > bool 0",
        "{{event}}",
    ),
    (
        "blue",
        "Handovers",
        "sum by (node) (increase(skyrack_handovers_total[15s])) > bool 0",
        "{{node}}: handover",
    ),
)

_LINK_TO_OTHERS: Json = {
    "type": "dashboards",
    "title": "Skyrack",
    "tags": ["skyrack"],
    "asDropdown": True,
    "keepTime": True,
}


def _annotation(colour: str, name: str, expr: str, title: str) -> Json:
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


def _variable(choice: Choice) -> Json:
    query = f"label_values({choice.metric}, {choice.label})"
    return {
        "name": choice.name,
        "label": choice.name.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": "A"},
        "definition": query,
        "refresh": 2,  # with the time range: nodes of other runs come and go
        "sort": 1,
        "multi": choice.many,
        "includeAll": choice.many,
        "allValue": ".*" if choice.many else None,
        "current": {"text": ["All"], "value": ["$__all"]} if choice.many else {},
    }


def _placed(panels: Iterable[Panel | Row]) -> Iterable[Json]:
    x = y = line = 0
    for number, panel in enumerate(panels, 1):
        if isinstance(panel, Row):
            y, x, line = y + line, 0, 0
            place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
            y += 1
            yield {
                "id": number,
                "type": "row",
                "title": panel.title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
            continue
        if x + panel.width > COLUMNS:
            y, x, line = y + line, 0, 0
        yield {
            "id": number,
            "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
            **_panel(panel),
        }
        x, line = x + panel.width, max(line, panel.height)


def _panel(panel: Panel) -> Json:
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
