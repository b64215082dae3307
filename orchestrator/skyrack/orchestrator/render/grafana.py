"""Grafana's provisioning: where the data are, where the dashboards lie, and the dashboards."""

from __future__ import annotations

from skyrack.orchestrator.render.dashboards import fidelity, links, node, overview, workload
from skyrack.orchestrator.render.dashboards.builder import render
from skyrack.orchestrator.render.dashboards.panels import DATASOURCE
from skyrack.orchestrator.render.prometheus import SCRAPE_INTERVAL_S

DASHBOARDS_DIRECTORY = "/etc/grafana/dashboards"  # in the container
DASHBOARDS = {
    "overview": overview.DASHBOARD,  # the home dashboard
    "links": links.DASHBOARD,
    "node": node.DASHBOARD,
    "fidelity": fidelity.DASHBOARD,
    "workload": workload.DASHBOARD,
}

_DATASOURCES = f"""\
apiVersion: 1
datasources:
  - name: Prometheus
    uid: {DATASOURCE["uid"]}
    type: prometheus
    access: proxy
    url: http://prometheus:9090
    isDefault: true
    editable: false
    jsonData:
      timeInterval: {SCRAPE_INTERVAL_S}s
"""
_PROVIDERS = f"""\
apiVersion: 1
providers:
  - name: skyrack
    type: file
    disableDeletion: true
    allowUiUpdates: false
    options:
      path: {DASHBOARDS_DIRECTORY}
"""


def files() -> dict[str, str]:
    """Relative path -> text."""
    return {
        "grafana/provisioning/datasources/prometheus.yaml": _DATASOURCES,
        "grafana/provisioning/dashboards/skyrack.yaml": _PROVIDERS,
        **{f"grafana/dashboards/{name}.json": render(dashboard) for name, dashboard in DASHBOARDS.items()},
    }
