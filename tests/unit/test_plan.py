"""The plan: the same bytes every time, and the same facts as the epochs it was made from."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise

import pytest

from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.routing.paths import path_of
from skyrack.orchestrator.routing.plan import plan_lines, plan_records
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

DURATION_S = 400.0


def test_one_scenario_gives_the_same_bytes() -> None:
    first, second = (list(plan_lines(Geometry(load_scenario("iridium")), DURATION_S)) for _ in range(2))
    assert first == second
    used = Geometry(load_scenario("iridium"))
    used.epoch(90_000.0)
    assert list(plan_lines(used, DURATION_S)) == first, "the plan depends on what was computed before"


def test_every_line_is_json_and_in_order() -> None:
    records = [json.loads(line) for line in plan_lines(Geometry(load_scenario("iridium")), DURATION_S)]
    assert records[0]["record"] == "plan"
    assert records[0]["satellites"] == 66
    times = [record.get("t0_s", record.get("t_s")) for record in records[1:]]
    assert times == sorted(times)
    assert all(0.0 <= t_s < DURATION_S for t_s in times)
    kinds = {"plan", "eclipse", "anomaly", "contact", "handover", "route"}
    assert {record["record"] for record in records} == kinds


def test_stays_of_inhabited_satellites_are_the_truth_at_every_instant() -> None:
    geometry = Geometry(load_scenario("iridium"))
    stays = [
        record for record in plan_records(geometry, 3000.0) if record["record"] in ("eclipse", "anomaly")
    ]
    assert {record["record"] for record in stays} == {"eclipse", "anomaly"}
    satellites = geometry.inhabited[geometry.inhabited < geometry.n_sat].tolist()
    for t_s in (0.5, 1234.0, 2900.0):
        truth = truth_at(geometry, t_s)
        on = {
            (record["record"], record["node"]) for record in stays if record["t0_s"] <= t_s < record["t1_s"]
        }
        dark = {("eclipse", geometry.names[node]) for node in satellites if not truth.lit[node]}
        assert on == dark | {
            ("anomaly", geometry.names[node]) for node in satellites if truth.in_anomaly[node]
        }


def test_contacts_are_the_links_of_the_epochs() -> None:
    geometry = Geometry(load_scenario("iridium"))
    contacts = [record for record in plan_records(geometry, DURATION_S) if record["record"] == "contact"]
    for t_s in (0.0, 100.0, 399.0):
        epoch = geometry.epoch(t_s)
        ends = {
            frozenset((geometry.names[a], geometry.names[b])) for a, b in zip(epoch.a, epoch.b, strict=True)
        }
        assert ends == {frozenset((c["a"], c["b"])) for c in contacts if c["t0_s"] <= t_s < c["t1_s"]}
    assert sum(c["kind"] == "laser" for c in contacts) == 121
    assert all(c["a"] in ("london", "tokyo", "nairobi") for c in contacts if c["kind"] == "ground")


def test_routes_replayed_are_the_paths_in_force() -> None:
    geometry = Geometry(load_scenario("iridium"))
    latest: dict[tuple[str, str], list[str] | None] = {}
    records = [record for record in plan_records(geometry, DURATION_S) if record["record"] == "route"]
    for record in records:
        latest[record["from"], record["to"]] = record["path"]
    assert len(latest) == 3 * 12 + 3
    epoch = geometry.epoch(DURATION_S - 0.001)
    for (a, b), path in latest.items():
        expected = path_of(epoch, geometry.index_of(a), geometry.index_of(b))
        assert path == ([geometry.names[node] for node in expected] if expected else None)


def test_handovers_lead_from_one_satellite_to_the_next() -> None:
    """Per station and destination every handover starts where the one before ended."""
    geometry = Geometry(load_scenario("iridium"))
    serving: dict[tuple[str, str], str | None] = {}
    handovers = 0
    for record in plan_records(geometry, 1500.0):
        if record["record"] != "handover":
            continue
        for destination in record["destinations"]:
            key = record["station"], destination
            assert serving.get(key, record["from"]) == record["from"]
            serving[key] = record["to"]
        assert record["from"] != record["to"]
        handovers += 1
    assert handovers > 5


def under(band: str, **more: object) -> Geometry:
    """Iridium's stations under weather."""
    weather = {"band": band, "clear_ratio": 0.5, "cloud_correlation_s": 600}
    iridium = load_scenario("iridium").model_dump(mode="json", exclude_unset=True)
    return Geometry(Scenario.model_validate({**iridium, "weather": weather, **more}))


def test_weather_replayed_is_the_weather_of_each_period() -> None:
    geometry = under(
        "ka", ground=["london", {"name": "nairobi", "climate": "singapore", "attenuation_db": 8}]
    )
    records = [record for record in plan_records(geometry, DURATION_S) if record["record"] == "weather"]
    assert [record["station"] for record in records if record["t_s"] == 0.0] == ["london", "nairobi"]
    clock, latest = geometry.grid_clock, dict[str, dict[str, object]]()
    for number in range(clock.number_at(DURATION_S)):
        t_s = max(clock.boundary_s(number), 0.0)
        latest |= {record["station"]: record for record in records if record["t_s"] == pytest.approx(t_s)}
        sky = geometry.station_sky(t_s)
        for station, share in zip(("london", "nairobi"), sky.share, strict=True):
            assert latest[station]["share"] == pytest.approx({"up": share[0], "down": share[1]}, abs=1e-4)
    changes = {name: [r["share"] for r in records if r["station"] == name] for name in ("london", "nairobi")}
    assert len(changes["nairobi"]) > 20, "heavy rain changes with every period"
    assert all(a != b for shares in changes.values() for a, b in pairwise(shares))


def test_a_station_has_links_only_while_the_plan_says_that_no_cloud_blocks_it() -> None:
    duration_s = 3600.0
    records = list(plan_records(under("optical"), duration_s))
    weather = [record for record in records if record["record"] == "weather"]
    blocked: dict[str, list[tuple[float, float]]] = {record["station"]: [] for record in weather}
    for name, spans in blocked.items():
        of = [record for record in weather if record["station"] == name]
        for record, end_s in zip(of, [*(r["t_s"] for r in of[1:]), duration_s], strict=True):
            closed = record["share"] == {"up": 0.0, "down": 0.0}
            assert closed == (record["attenuation_db"] == {"up": None, "down": None})
            if closed:
                spans.append((record["t_s"], end_s))
    assert all(blocked.values()), "each has a cloud within the hour"
    links = [record for record in records if record["record"] == "contact" and record["kind"] == "ground"]
    assert {link["a"] for link in links} == blocked.keys()
    for link in links:
        assert all(link["t1_s"] <= a or b <= link["t0_s"] for a, b in blocked[link["a"]]), link


def test_without_weather_there_are_no_records_of_it_and_a_storm_that_stays_is_one() -> None:
    assert not [r for r in plan_records(under("none"), DURATION_S) if r["record"] == "weather"]
    stormy = under("none", ground=["london", {"name": "tokyo", "attenuation_db": 6}])
    found = [record for record in plan_records(stormy, DURATION_S) if record["record"] == "weather"]
    assert [(r["t_s"], r["station"], r["share"]["up"] < 1.0) for r in found] == [
        (0.0, "london", False),
        (0.0, "tokyo", True),
    ]


def test_a_station_without_a_satellite_has_a_route_of_null() -> None:
    scenario = Scenario.model_validate(
        {
            "version": 1,
            "name": "lonely",
            "shells": [{"planes": 1, "slots": 1, "altitude_km": 550, "inclination_deg": 53}],
            "ground": [{"name": "pole", "lat_deg": 90, "lon_deg": 0}],
        }
    )
    (route,) = (record for record in plan_records(Geometry(scenario), 60.0) if record["record"] == "route")
    assert route["path"] is None
    assert route["delay_ms"] is None


@pytest.mark.parametrize("ground", [[], ["london"]])
def test_the_smallest_plans_work(ground: list[str]) -> None:
    shells = [{"planes": 1, "slots": 1, "altitude_km": 550, "inclination_deg": 53}]
    scenario = Scenario.model_validate({"version": 1, "name": "tiny", "shells": shells, "ground": ground})
    counts: dict[str, int] = defaultdict(int)
    for record in plan_records(Geometry(scenario), 6000.0):
        counts[record["record"]] += 1
    assert counts["plan"] == 1
    assert (counts["contact"] > 0) == bool(ground)
