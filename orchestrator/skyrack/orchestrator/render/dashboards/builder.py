"""Dashboards from short descriptions: panels flow from left to right over 24 columns and get what they share here.

    Row("Nodes")
    +---- Stat ----+---- Stat ----+---------- Chart -----------+
    |  6 columns   |              |        12 columns          |
    +--------------+--------------+----------------------------+

The JSON is that of Grafana 11 and 12 (schema 39).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from skyrack.orchestrator.render.dashboards.marks import marks
from skyrack.orchestrator.render.dashboards.model import Choice, Dashboard, Panel, Row
from skyrack.orchestrator.render.dashboards.panels import DATASOURCE, Json, panel_json

COLUMNS = 24
_SCHEMA = 39


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
                "annotations": {"list": marks()},
                "links": [_LINK_TO_OTHERS],
                "templating": {"list": [_variable(choice) for choice in dashboard.choices]},
                "panels": list(_placed(dashboard.panels)),
            },
            indent=1,
        )
        + "\n"
    )


_LINK_TO_OTHERS: Json = {
    "type": "dashboards",
    "title": "Skyrack",
    "tags": ["skyrack"],
    "asDropdown": True,
    "keepTime": True,
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
            **panel_json(panel),
        }
        x, line = x + panel.width, max(line, panel.height)
