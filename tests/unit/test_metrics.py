"""What a run exposes is listed, documented, and says what it counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from skyrack.orchestrator.api.scrape import merge
from skyrack.orchestrator.environment.spells import InForce
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.environment.weather import StationWeather
from skyrack.orchestrator.fabric.histogram import Histogram
from skyrack.orchestrator.measure.tally import Tally
from skyrack.orchestrator.metrics.environment import environment_families
from skyrack.orchestrator.metrics.faults import fault_families
from skyrack.orchestrator.metrics.fidelity import ERROR_BOUNDS_S, ProbeTally, outcome_of
from skyrack.orchestrator.metrics.links import link_families, link_samples, rates_in_force
from skyrack.orchestrator.metrics.reference import refreshed
from skyrack.orchestrator.metrics.run import RunFacts, run_families
from skyrack.orchestrator.metrics.weather import weather_families
from skyrack.orchestrator.metrics.workload import LATENCY_BOUNDS_S, Workloads
from skyrack.orchestrator.routing.condition import Condition
from skyrack.orchestrator.routing.link_model import LinkModel
from skyrack.orchestrator.scenario import Scenario
from skyrack.orchestrator.scenario.model.weather import Weather
from skyrack.orchestrator.topology.epoch import FIBRE, GROUND, LASER
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.lit import Links
from skyrack.v1 import families
from skyrack.v1.families import exposition
from skyrack.v1.metrics import METRICS, MOST_LINKS

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
UNITS = {"seconds", "bytes", "packets", "bits/second"}


# Names


@pytest.mark.parametrize("name", METRICS)
def test_names_follow_the_rules(name: str) -> None:
    metric = METRICS[name]
    assert re.fullmatch(r"skyrack_[a-z0-9]+(_[a-z0-9]+)*", name)
    assert name.endswith("_total") == (metric.kind == "counter")
    assert not re.search("milli|micro|_ms|_us|_mb|_kb|percent", name), "base units only"
    if metric.unit in UNITS and "mesh_errors" not in name and "mesh_drops" not in name:
        assert metric.unit.replace("/", "_per_") in name.removesuffix("_total")
    assert metric.text.endswith(".")
    assert set(metric.labels).isdisjoint({"job", "instance", "le"}), "these are Prometheus's"


def test_the_reference_page_is_fresh() -> None:
    page = PAGE.read_text("utf-8")
    assert page == refreshed(page), f"run: python -m skyrack.orchestrator.metrics.reference {PAGE}"


def test_a_metric_that_is_not_listed_or_is_something_else_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        families.gauge("skyrack_invented")
    with pytest.raises(AssertionError, match="is a gauge"):
        families.counter("skyrack_partitions")
    with pytest.raises(AssertionError, match="has labels"):
        families.gauge("skyrack_node_up", 1.0)


# The run


def test_a_run_without_a_fabric_is_exposed_and_says_so() -> None:
    node = {"name": "a", "kind": "ground", "inhabited": True, "state": "dark", "restarts": 2}
    status = {
        "run": "r", "name": "s", "run_s": 1.0, "orbit_unix_s": 2.0, "speed": 0.0,
        "fabric": {"scheduler": ""}, "events_lost": 0, "fleet": {"phases": {"in service": 1}},
        "bus": None, "nodes": [node, {**node, "name": "b", "inhabited": False}],
    }  # fmt: skip
    facts = RunFacts(0, {"laser": 3}, {"a": 4}, {"ready": 1})
    text = exposition(run_families(status, facts))
    assert 'skyrack_node_up{kind="ground",node="a"} 0.0' in text
    assert 'skyrack_node_restarts_total{kind="ground",node="a"} 2.0' in text
    assert 'skyrack_handovers_total{node="a"} 4.0' in text
    assert "skyrack_fabric_up 0.0" in text
    assert "skyrack_clock_speed_ratio 0.0" in text, "paused"
    assert '"b"' not in text, "a bare satellite has no process to be up"


# Links


def test_faults_are_counted_by_kind_and_the_delay_they_add_is_shown_where_there_is_a_link() -> None:
    links = Links(np.array([0], np.int32), np.array([2], np.int32), np.array([GROUND], np.uint8))
    extra_s = {(0, 2): 0.2, (0, 1): 0.3}
    text = exposition(fault_families({"latency": 2, "dark": 0}, {"kill": 3}, extra_s, links, "abc"))
    assert 'skyrack_fault_active{kind="latency"} 2.0' in text
    assert 'skyrack_fault_active{kind="dark"} 0.0' in text
    assert 'skyrack_fault_failures_total{kind="kill"} 3.0' in text
    shown = [line for line in text.splitlines() if line.startswith("skyrack_link_extra_delay_seconds{")]
    assert shown == ['skyrack_link_extra_delay_seconds{dst="c",kind="ground",src="a"} 0.2']


def shown(
    n_links: int, *, inhabited: tuple[int, ...] = (), used: tuple[int, ...] = ()
) -> list[tuple[str, str]]:
    """(src, dst) of the samples of a chain 0-1-2-..., in order; `used`: numbers of directions that carried something."""
    nodes = np.arange(n_links, dtype=np.int32)
    links = Links(nodes, nodes + 1, np.zeros(n_links, np.uint8))
    packets = [float(number in used) for number in range(2 * n_links)]
    counters = {
        "packets": packets,
        "dropped_queue": [0.0] * len(packets),
        "dropped_loss": [0.0] * len(packets),
    }
    samples = link_samples(
        links,
        [str(i) for i in range(n_links + 1)],
        inhabited,
        lambda a, b: a,
        np.full(2 * n_links, 0.01),
        lambda way, kind: 1e9,
        counters,
    )
    return [(sample.src, sample.dst) for sample in samples]


def test_of_very_many_links_those_that_matter_are_shown() -> None:
    n = MOST_LINKS
    found = shown(n, inhabited=(n,), used=(2 * (n - 5),))
    assert len(found) == MOST_LINKS
    assert set(found[:3]) == {(str(n - 1), str(n)), (str(n), str(n - 1)), (str(n - 5), str(n - 4))}
    assert found[3] == ("0", "1")


def test_links_that_are_dark_have_no_delay_and_idle_ones_no_counters() -> None:
    links = Links(np.array([0, 1], np.int32), np.array([1, 2], np.int32), np.array([0, 1], np.uint8))
    columns = ("packets", "bytes", "dropped_queue", "dropped_loss", "wait_s")
    counters = {name: [2.0, 0.0, 0.0, 0.0] for name in columns}
    delay_s = np.array([0.01, 0.01, 0.002, -1.0])
    samples = link_samples(links, "xyz", [], lambda a, b: a, delay_s, lambda way, kind: 1e9, counters)
    text = exposition(link_families(samples))
    values = {line.split(" ")[0]: line.split(" ")[1] for line in text.splitlines() if line[0] != "#"}
    delays = {name for name in values if "delay" in name}
    assert delays == {
        'skyrack_link_delay_seconds{dst="y",kind="laser",src="x"}',
        'skyrack_link_delay_seconds{dst="x",kind="laser",src="y"}',
        'skyrack_link_delay_seconds{dst="z",kind="ground",src="y"}',
    }
    assert [name for name in values if "link_packets" in name] == [
        'skyrack_link_packets_total{dst="y",kind="laser",src="x"}'
    ]
    assert not any("class" in name for name in values)


def test_links_with_classes_show_each_ones_part() -> None:
    links = Links(np.array([0], np.int32), np.array([1], np.int32), np.array([0], np.uint8))
    columns = {"packets": 10.0, "bytes": 900.0, "dropped_queue": 3.0, "dropped_loss": 0.0, "wait_s": 0.0}
    columns |= {"compute_packets": 4.0, "compute_bytes": 500.0, "compute_dropped_queue": 1.0}
    counters = {name: [value, 0.0] for name, value in columns.items()}
    samples = link_samples(links, "xy", [], lambda a, b: 0, np.full(2, 0.01), lambda way, kind: 1e9, counters)
    text = exposition(link_families(samples))
    values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if line[0] != "#"}
    found = {
        (name.split("{")[0].removeprefix("skyrack_link_class_"), '"compute"' in name): value
        for name, value in values.items()
        if "link_class" in name
    }
    assert found == {
        ("packets_total", True): 4, ("packets_total", False): 6,
        ("bytes_total", True): 500, ("bytes_total", False): 400,
        ("queue_dropped_packets_total", True): 1, ("queue_dropped_packets_total", False): 2,
    }  # fmt: skip


def rainy(**links: object) -> Geometry:
    """Stations under a storm that stays and under rain, with rates up and down apart."""
    return Geometry(
        Scenario.model_validate(
            {
                "version": 1,
                "name": "rainy",
                "shells": [
                    {"name": "shell", "planes": 6, "slots": 11, "altitude_km": 780, "inclination_deg": 86.4}
                ],
                "ground": [{"name": "london", "attenuation_db": 9.0}, "singapore", "tokyo"],
                "pops": ["london"],
                "fibre": [{"a": "london", "b": "pop-london", "rate_bps": 5e9}],
                "weather": {"band": "ka"},
                "links": {"uplink_rate_bps": 2e9, "downlink_rate_bps": 10e9, "laser_rate_bps": 40e9, **links},
            }
        )
    )


def test_the_rate_of_a_direction_is_what_weather_faults_and_the_byte_scale_leave() -> None:
    geometry = rainy(byte_scale=100)
    epoch, limits = geometry.epoch(0.0), geometry.scenario.links
    assert epoch.share is not None
    (a, b), (c, d), *_ = (
        way for way in zip(epoch.a.tolist(), epoch.b.tolist(), strict=True) if way[1] < geometry.n_sat
    )
    conditions = {(a, b): Condition(rate_bps=1e9), (d, c): Condition(rate_bps=1e12)}
    rate_bps = rates_in_force(epoch, conditions, LinkModel.of(geometry.scenario))
    assert [rate_bps(way, LASER) for way in ((a, b), (b, a), (c, d), (d, c))] == [1e7, 4e8, 4e8, 4e8]
    fibre = (geometry.index_of("london"), geometry.index_of("pop-london"))
    assert rate_bps(fibre, FIBRE) == pytest.approx(5e7)
    weakened = 0
    for i in np.nonzero(epoch.kind == GROUND)[0].tolist():
        satellite, station = int(epoch.a[i]), int(epoch.b[i])
        where = np.array([station - geometry.n_sat], np.int32)
        elevation_deg = geometry.elevation_deg(where, np.array([satellite], np.int32), epoch.t0_s)
        sky = geometry.weather.links(epoch.t0_s, where, elevation_deg)
        up, down = sky.share[0] * (limits.uplink_rate_bps, limits.downlink_rate_bps) / 100
        assert rate_bps((station, satellite), GROUND) == pytest.approx(up)
        assert rate_bps((satellite, station), GROUND) == pytest.approx(down)
        weakened += bool((sky.share < 1.0).any())
    assert weakened, "a storm of 9 dB takes its share of each link of London"


def test_attenuation_is_that_of_the_period_in_force_over_each_station() -> None:
    geometry = rainy()
    boundary_s = geometry.grid_clock.boundary_s(4)
    sky = geometry.station_sky(boundary_s + 7.0)
    np.testing.assert_array_equal(
        sky.attenuation_db, geometry.weather.overhead(boundary_s).attenuation_db, "not the period's start"
    )
    found = {
        (sample.labels["node"], sample.labels["direction"]): sample.value
        for family in weather_families(geometry.weather.stations, sky)
        for sample in family.samples
    }
    assert found.keys() == {
        (name, way) for name in ("london", "singapore", "tokyo") for way in ("up", "down")
    }
    assert found["london", "up"] > found["london", "down"] > 9.0, "rain takes more at 28.5 GHz than at 18.8"


def test_a_cloud_is_an_attenuation_without_end_and_no_weather_is_none() -> None:
    def shown(band: str) -> str:
        scenario = rainy().scenario.model_copy(update={"weather": Weather.model_validate({"band": band})})
        weather = StationWeather(scenario, scenario.ground, rainy().stations.itrf_km[:3])
        return exposition(weather_families(weather.stations, weather.overhead(0.0)))

    assert 'skyrack_ground_attenuation_db{direction="up",node="london"} +Inf' in shown("optical")
    assert 'skyrack_ground_attenuation_db{direction="up",node="tokyo"} 0.0' in shown("none")


def test_shares_of_space_are_the_whole_constellations_and_the_storm_the_worst() -> None:
    geometry = rainy()
    truth = truth_at(geometry, 60.0, InForce({3: 30.0}))
    shown = dict(
        line.split() for line in exposition(environment_families(truth)).splitlines() if line[0] != "#"
    )
    assert float(shown["skyrack_satellites_eclipsed_ratio"]) == pytest.approx((~truth.lit).mean())
    assert float(shown["skyrack_satellites_in_anomaly_ratio"]) == truth.in_anomaly.mean() > 0.0
    assert float(shown["skyrack_storm_factor"]) == 30.0


# Workloads


class Api:
    """Hands what is posted to workloads; `down`: refuses."""

    def __init__(self) -> None:
        self.workloads = Workloads(Histogram(ERROR_BOUNDS_S))
        self.down = False

    def get(self, path: str) -> Any:
        raise AssertionError(path)

    def post(self, path: str, body: Any) -> Any:
        assert path == "/v1/workload"
        if self.down:
            raise ConnectionError
        self.workloads.add(body)

    def delete(self, path: str) -> Any:
        raise AssertionError(path)


def values(workloads: Workloads) -> dict[str, float]:
    lines = exposition(workloads.families()).splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}


def test_what_a_load_counts_arrives_once_also_after_the_run_did_not_answer() -> None:
    api, tally = Api(), Tally("echo")
    tally.operation("ok", 0.12)
    tally.probe(0.1001, 0.1)
    tally.tell(api)
    api.down = True
    tally.operation("ok", 0.01)
    tally.operation("unknown", 5.0)
    tally.probe(0.0999, 0.1)
    with pytest.raises(ConnectionError):
        tally.tell(api)
    api.down = False
    tally.probe(None, 0.1)
    tally.tell(api)
    tally.tell(api)
    found = values(api.workloads)
    assert found['skyrack_workload_operations_total{outcome="ok",workload="echo"}'] == 2
    assert found['skyrack_workload_operations_total{outcome="unknown",workload="echo"}'] == 1
    assert found['skyrack_workload_latency_seconds_bucket{le="0.01",workload="echo"}'] == 1
    assert found['skyrack_workload_latency_seconds_sum{workload="echo"}'] == pytest.approx(0.13)
    assert found['skyrack_fidelity_error_seconds_bucket{le="0.0",workload="echo"}'] == 1
    assert found['skyrack_fidelity_error_seconds_bucket{le="+Inf",workload="echo"}'] == 2
    assert 'skyrack_fidelity_error_seconds_sum{workload="echo"}' not in found, "errors may be negative"


def news(**changes: Any) -> dict[str, Any]:
    return {
        "workload": "echo",
        "operations": {"ok": 1, "fail": 0, "unknown": 0},
        "latency": {"counts": [0] * (len(LATENCY_BOUNDS_S) + 1), "sum_s": 0.0},
        "error": {"counts": [0] * (len(ERROR_BOUNDS_S) + 1)},
    } | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workload": "x" * 1000}, "workload: "),
        ({"operations": {"ok": -1, "fail": 0, "unknown": 0}}, "operations.ok: "),
        ({"operations": {"ok": 1}}, "operations.fail: "),
        ({"latency": {"counts": [1], "sum_s": 0.0}}, "latency.counts: "),
        (
            {"latency": {"counts": [0] * (len(LATENCY_BOUNDS_S) + 1), "sum_s": float("nan")}},
            "latency.sum_s: ",
        ),
        ({"error": None}, "error: "),
        ({"more": 1}, "more: "),
    ],
)
def test_news_that_make_no_sense_are_refused_and_count_nothing(changes: dict[str, Any], said: str) -> None:
    workloads = Workloads(Histogram(ERROR_BOUNDS_S))
    with pytest.raises(ValueError, match=said):
        workloads.add(news(**changes))
    assert not any(values(workloads).values())


# The run's own probes


def expected(
    rtt_s: float | None = 0.1, reason: str | None = None, kept_ratio: float = 1.0, held_up_s: float = 0.0
) -> dict[str, Any]:
    return {"rtt_s": rtt_s, "reason": reason, "kept_ratio": kept_ratio, "held_up_s": held_up_s}


@pytest.mark.parametrize(
    ("measured_s", "computed", "outcome"),
    [
        (0.1001, expected(), "answered"),
        (None, expected(), "false_outage"),
        (None, expected(kept_ratio=0.99), "lost"),
        (None, expected(None, "no route in force"), "lost"),
        (0.1, expected(None, "no route in force"), "unexpected"),
        (None, expected(0.1, "guard: a node changed"), "unsettled"),
        (0.1, expected(None, "guard: a node changed"), "unsettled"),
        (None, expected(held_up_s=0.02), "held_up"),
        (0.1, expected(None, "no route in force", held_up_s=0.02), "held_up"),
        (0.1001, expected(held_up_s=0.02), "answered"),
        (None, expected(None, "no route in force", held_up_s=0.02), "lost"),
        (None, expected(kept_ratio=0.99, held_up_s=0.02), "lost"),
        (None, expected(0.1, "guard: a node changed", held_up_s=0.02), "unsettled"),
    ],
)
def test_a_probe_is_a_false_outage_only_where_it_had_to_come_back(
    measured_s: float | None, computed: dict[str, Any], outcome: str
) -> None:
    assert outcome_of(measured_s, computed) == outcome
    tally = ProbeTally()
    tally.add(measured_s, computed)
    assert [name for name, times in tally.outcomes.items() if times] == [outcome]
    assert sum(tally.error.counts) == (outcome == "answered")


def test_errors_of_the_runs_own_probes_stand_beside_those_of_a_load() -> None:
    tally = ProbeTally()
    workloads = Workloads(tally.error)
    tally.add(0.10015, expected())
    found = values(workloads)
    assert found['skyrack_fidelity_error_seconds_bucket{le="0.0002",workload="run"}'] == 1
    assert found['skyrack_fidelity_error_seconds_bucket{le="0.0001",workload="run"}'] == 0
    assert found['skyrack_fidelity_error_seconds_bucket{le="+Inf",workload="echo"}'] == 0


# Merging


A = """\
# HELP x_total Things.
# TYPE x_total counter
x_total{node="a"} 1
# HELP h H.
# TYPE h histogram
h_bucket{le="+Inf"} 1
h_sum 0
h_count 1
"""
B = """\
# HELP x_total Other words.
# TYPE x_total counter
x_total{node="b"} 2
# TYPE y gauge
y 3
# EOF
"""


def test_merged_metrics_name_each_family_once_and_lose_no_sample() -> None:
    merged = merge([A, B, ""])
    assert merged.count("# TYPE x_total") == 1
    assert merged.count("# HELP x_total") == 1
    assert "EOF" not in merged
    found = {family.name: family for family in text_string_to_metric_families(merged)}
    assert {(s.labels["node"], s.value) for s in found["x"].samples} == {("a", 1.0), ("b", 2.0)}
    assert len(found["h"].samples) == 3
    assert found["y"].samples[0].value == 3
    assert merge([]) == "\n"
    assert merge([merged]) == merged
