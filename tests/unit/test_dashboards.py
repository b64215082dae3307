"""Dashboards and alerts ask Prometheus for metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from skyrack.orchestrator.render import grafana, prometheus
from skyrack.orchestrator.render.dashboards.builder import COLUMNS
from skyrack.v1.metrics import METRICS

from .promql import parse, placeholders

OF_TARGETS = {"job", "instance", "run", "node", "kind"}
OF_PROMETHEUS = {"up": OF_TARGETS, "ALERTS": {"alertname", "alertstate", "severity"}}
DASHBOARDS = {
    name: json.loads(grafana.files()[f"grafana/dashboards/{name}.json"]) for name in grafana.DASHBOARDS
}


def expressions() -> Iterator[Any]:
    """(where, PromQL, legend or text beside it)."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                legend = target["legendFormat"]
                yield pytest.param(target["expr"], legend, id=f"{name}: {panel['title']} {target['refId']}")
        for mark in dashboard["annotations"]["list"]:
            yield pytest.param(mark["expr"], mark["titleFormat"], id=f"{name}: {mark['name']}")
    for alert in prometheus.ALERTS:
        yield pytest.param(alert.expr, alert.summary + alert.do, id=alert.name)


def labels_of(series: str) -> set[str]:
    """Every label that a series may have. Fails for one that nobody exposes."""
    if series in OF_PROMETHEUS:
        return OF_PROMETHEUS[series]
    for suffix in ("_bucket", "_sum", "_count"):
        metric = METRICS.get(series.removesuffix(suffix))
        if metric is not None and series.endswith(suffix):
            assert metric.kind == "histogram", series
            return {*metric.labels, *OF_TARGETS, "le"}
    assert series in METRICS, f"nobody exposes {series}"
    assert METRICS[series].kind != "histogram", f"{series} has _bucket, _sum and _count only"
    return {*METRICS[series].labels, *OF_TARGETS}


@pytest.mark.parametrize(("expr", "words"), list(expressions()))
def test_every_expression_is_promql_over_metrics_and_labels_that_exist(expr: str, words: str) -> None:
    reads = parse(expr)
    assert reads.series
    known = set().union(*(labels_of(series) for series in reads.series))
    assert reads.labels <= known, f"no such label: {reads.labels - known}"
    assert placeholders(words) <= known, f"no such label: {placeholders(words) - known}"


@pytest.mark.parametrize(
    "expr", ["rate(x[1m]", "sum(rate(skyrack_invented_total[1m]))", "skyrack_fabric_lateness_seconds"]
)
def test_what_is_wrong_would_be_found(expr: str) -> None:
    with pytest.raises((ValueError, AssertionError)):
        [labels_of(series) for series in parse(expr).series]


def test_counters_are_looked_at_over_time() -> None:
    """A counter's own value means little; a restart sets it to zero."""
    as_they_are = ("skyrack_node_restarts_total",)
    for parameters in expressions():
        expr = parameters.values[0]
        for series in parse(expr).series:
            counts = series.endswith("_total") and series not in as_they_are
            assert not counts or f"rate({series}" in expr or f"increase({series}" in expr, expr


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_units_words_and_a_place_of_their_own(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"skyrack-{name}", "links and bookmarks hold it"
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} overlaps"
        assert place["x"] + place["w"] <= COLUMNS
        taken |= cells
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert (
                panel["datasource"]["uid"]
                in grafana.files()["grafana/provisioning/datasources/prometheus.yaml"]
            )


def test_variables_that_panels_use_are_offered() -> None:
    for name, dashboard in DASHBOARDS.items():
        offered = {f"${variable['name']}" for variable in dashboard["templating"]["list"]}
        text = json.dumps([panel.get("targets") for panel in dashboard["panels"]])
        for variable in ("$node", "$src", "$workload"):
            assert (variable in text) == (variable in offered), f"{name}: {variable}"
        for variable in dashboard["templating"]["list"]:
            metric, label = variable["definition"].removeprefix("label_values(").removesuffix(")").split(", ")
            assert label in METRICS[metric].labels


def test_alerts_say_what_to_do() -> None:
    names = [alert.name for alert in prometheus.ALERTS]
    assert len(set(names)) == len(names)
    for alert in prometheus.ALERTS:
        assert alert.severity in ("warning", "critical")
        assert alert.summary.endswith(".")
        assert len(alert.do) > 40, alert.name


def test_the_provisioning_is_yaml_that_grafana_knows() -> None:
    files = grafana.files()
    (source,) = yaml.safe_load(files["grafana/provisioning/datasources/prometheus.yaml"])["datasources"]
    assert source["isDefault"]
    (provider,) = yaml.safe_load(files["grafana/provisioning/dashboards/skyrack.yaml"])["providers"]
    assert provider["options"]["path"] == grafana.DASHBOARDS_DIRECTORY


def test_promtool_accepts_configuration_and_rules(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine")
    for name, text in prometheus.files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    told = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus/prometheus.yml"],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{len(prometheus.ALERTS)} rules found" in told.stdout
