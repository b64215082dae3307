"""A running system exposes what is documented, all of it and nothing else."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.epoch import Epoch
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1.metrics import METRICS

from .place import PATIENCE_S, Place, eventually, open_place, port

FROM_EACH = ("skyrack_fabric_wakeups", "skyrack_node_uptime_seconds")

pytestmark = [pytest.mark.mesh, pytest.mark.together]

# What has metrics only where a scenario asks for it.
EVERYTHING = """\
version: 1
name: small
extends: iridium
inhabited: {count: 2}
ground: [{name: london, attenuation_db: 9}, tokyo]
links: {uplink_rate_bps: 2e9, downlink_rate_bps: 10e9, classes: {}}
weather: {band: ka}
radiation: {preset: benign}
background: {rate_bps: 1e9}
routing: {strategy: contact-graph}
power: {initial_charge_ratio: 0.5}
thermal: {}
services: [{name: idle, nodes: all, command: [sleep, 1000]}]
"""


@pytest.fixture(scope="module")
def loaded() -> Iterator[Place]:
    """A run under weather after a short load, with a fault."""
    with open_place() as found:
        found.scenario.write_text(EVERYTHING)
        found.up("--port", port(18180))
        eventually(lambda: answered(found), "a load of which an operation was answered", 2 * PATIENCE_S)
        found.skyrack("fault", "add", "latency", "--node", "london", "--extra", "1ms").expect()
        yield found


def answered(place: Place) -> bool:
    """Whether of a short load an operation was answered: a host that stands still meanwhile answers none."""
    assert place.skyrack("load", "echo", "--for", "2s", timeout_s=2 * PATIENCE_S).status in (0, 4)
    result = json.loads((place.runs / "latest" / "result.json").read_text())
    return bool(result["ops"]["ok"])


def page(place: Place, path: str) -> dict[str, Metric]:
    """Families by the name that METRICS has, once everybody who has something to say on the page has answered in time."""

    def whole() -> list[Metric]:
        try:
            with urllib.request.urlopen(place.status()["http"] + path, timeout=PATIENCE_S) as answer:
                found = list(text_string_to_metric_families(answer.read().decode()))
        except urllib.error.HTTPError as error:
            if error.code != 502:  # a node has not answered
                raise
            return []
        fabric, nodes = (sum(len(f.samples) for f in found if f.name == name) for name in FROM_EACH)
        said = {"/metrics": fabric > 0 and nodes == 4, "/metrics/run": fabric > 0}
        return found if said.get(path, True) else []

    families = eventually(whole, f"all of {path}")
    return {f.name + ("_total" if f.type == "counter" else ""): f for f in families}


def test_what_is_exposed_is_what_is_documented(loaded: Place) -> None:
    found = page(loaded, "/metrics")
    assert found.keys() == METRICS.keys()
    for name, metric in METRICS.items():
        assert found[name].type == metric.kind, name
        assert found[name].samples, f"{name} has no sample"
        labels = {label for sample in found[name].samples for label in sample.labels} - {"le"}
        assert labels == set(metric.labels), name
        assert found[name].documentation == metric.text


def test_rates_of_links_are_those_of_the_epoch_in_force(loaded: Place) -> None:
    geometry = Geometry(load_scenario(str(loaded.scenario)))

    def within_an_epoch() -> tuple[dict[str, Metric], Epoch] | None:
        """None when the run may not have turned to the next one yet."""
        families = page(loaded, "/metrics/run")
        run_s = families["skyrack_run_seconds"].samples[0].value
        epoch = geometry.epoch(run_s)
        return (families, epoch) if epoch.t0_s + 1.0 < run_s < epoch.t1_s - 1.0 else None

    found, epoch = eventually(within_an_epoch, "not at a boundary of epochs")
    limits = geometry.scenario.links
    shown = found["skyrack_link_rate_bits_per_second"].samples
    assert {sample.labels["kind"] for sample in shown} == {"laser", "ground"}
    for sample in shown:
        src, dst = geometry.index_of(sample.labels["src"]), geometry.index_of(sample.labels["dst"])
        assert epoch.link_of(src, dst) is not None, sample.labels
        whole_bps = limits.laser_rate_bps if sample.labels["kind"] == "laser" else limits.ground_rate_bps
        assert sample.value == pytest.approx(whole_bps * epoch.share_of(src, dst)), sample.labels
    uplink = next(sample.value for sample in shown if sample.labels["src"] == "london")
    assert 0.0 < uplink < 2e9, "9 dB take their share"


def test_targets_together_expose_the_same_and_each_its_own(loaded: Place) -> None:
    with urllib.request.urlopen(loaded.status()["http"] + "/sd/prometheus", timeout=PATIENCE_S) as answer:
        targets = json.load(answer)
    assert len(targets) == 1 + 4
    together: set[str] = set()
    for target in targets:
        labels = target["labels"]
        found = page(loaded, labels["__metrics_path__"])
        exporters = {METRICS[name].exporter for name in found}
        assert exporters == ({"node"} if "node" in labels else {"orchestrator", "fabric", "load"})
        if "node" in labels:
            assert {s.labels["node"] for f in found.values() for s in f.samples} == {labels["instance"]}
        together |= found.keys()
    assert together == METRICS.keys()


def test_a_load_shows_while_it_runs_and_is_counted_to_the_end(loaded: Place) -> None:
    before = loaded.events()
    found = page(loaded, "/metrics/run")
    of_echo = {"workload": "echo", "outcome": "ok"}
    (ok,) = [s.value for s in found["skyrack_workload_operations_total"].samples if s.labels == of_echo]
    result = json.loads((loaded.runs / "latest" / "result.json").read_text())
    assert ok == result["ops"]["ok"] > 0
    answered = [
        s.value
        for s in found["skyrack_workload_latency_seconds"].samples
        if s.name.endswith("_count") and s.labels["workload"] == "echo"
    ]
    assert answered == [ok]
    counted = {s.labels["event"]: s.value for s in found["skyrack_events_total"].samples}
    assert counted["node_serving"] == sum(event["event"] == "node_serving" for event in before)
