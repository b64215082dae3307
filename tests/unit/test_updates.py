"""What nodes are told about what surrounds them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skyrack.orchestrator.environment.countries import countries_at
from skyrack.orchestrator.environment.forecast import Forecaster
from skyrack.orchestrator.environment.passes import Passes
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.faults.effect import Effect
from skyrack.orchestrator.faults.fault import Draft
from skyrack.orchestrator.faults.ledger import Ledger
from skyrack.orchestrator.faults.targets import Target
from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.storms import Storms
from skyrack.orchestrator.runtime.updates import FORECAST_S, Outlook
from skyrack.orchestrator.scenario import Scenario, load_scenario
from skyrack.orchestrator.scenario.model.environment import Environment, ForecastError
from skyrack.orchestrator.timeline import Timeline
from skyrack.orchestrator.topology.failures import Failures
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import control_pb2, mesh_pb2


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    plain = load_scenario("iridium")
    return plain.model_copy(update={"weather": plain.weather.model_copy(update={"band": "ka"})})


@pytest.fixture(scope="module")
def geometry(scenario: Scenario) -> Geometry:
    return Geometry(scenario)


@pytest.fixture(scope="module")
def outlook(scenario: Scenario, geometry: Geometry) -> Outlook:
    timeline = Timeline(scenario.speed)
    storms = Storms(timeline)
    ordered = frozenset(geometry.inhabited[:2].tolist())
    effect = Effect(radiation={node: 1.0 + node for node in range(geometry.n_sat)}, anomaly=ordered)
    ledger = Ledger()
    storms.note([ledger.add(Draft("storm", Target(("satellites",)), {}, effect, math.inf, "test"), 0.0)])
    storms.follow(ledger.step())
    found = Outlook(geometry, Passes(geometry), timeline, lambda index: f"100.64.0.{index + 1}", 0, storms)
    found.compute(0.0)
    while found.extend():
        pass
    return found


def told(outlook: Outlook, geometry: Geometry, index: int) -> control_pb2.NodeUpdate:
    update = outlook.update_for(NodeState(index, geometry.names[index], geometry.kind[index], ""))
    assert update is not None
    return update


def test_a_station_is_told_of_the_weather_on_each_of_its_links(outlook: Outlook, geometry: Geometry) -> None:
    update = told(outlook, geometry, geometry.index_of("london"))
    radio = [peer.name for peer in update.neighbours if peer.kind == mesh_pb2.NODE_KIND_SATELLITE]
    assert radio
    assert [weather.peer for weather in update.weather] == radio
    for weather in update.weather:
        assert weather.up_attenuation_db > weather.down_attenuation_db > 0.0, "28.5 GHz up, 18.8 GHz down"
        assert 0.0 < weather.up_rate_ratio <= weather.down_rate_ratio <= 1.0
    assert not update.HasField("shadow"), "the ground has nights, not eclipses"
    assert not update.HasField("surroundings")


def test_a_satellite_is_told_of_its_shadow_and_how_far_contacts_are_known(
    outlook: Outlook, geometry: Geometry
) -> None:
    update = told(outlook, geometry, int(geometry.inhabited[0]))
    assert update.shadow.until_t_s > 3600.0
    assert all(one.end_t_s > 0.0 and one.start_t_s < one.end_t_s for one in update.shadow.eclipses)
    ahead = [one for one in update.surroundings.eclipses if one.end_t_s > 0.0]
    assert ahead == list(update.shadow.eclipses), "a forecast without an error"
    assert update.surroundings.since_t_s < -5000.0
    assert len(ahead) < len(update.surroundings.eclipses), (
        "also of the orbit before, for who has not heard of it yet"
    )
    plain = told(outlook, geometry, int(geometry.inhabited[2]))
    assert list(plain.surroundings.anomaly_passes) == list(plain.anomaly.passes)
    (over,) = update.surroundings.anomaly_passes
    assert (over.start_t_s, over.end_t_s) == (0.0, update.surroundings.until_t_s), (
        "somebody has ordered it over"
    )
    assert update.anomaly.passes, "its forecast is its orbit's"
    assert min(one.start_t_s for one in update.anomaly.passes) > 0.0
    assert update.forecast_until_t_s >= FORECAST_S - 15.0
    assert max(contact.end_t_s for contact in update.forecast) == update.forecast_until_t_s


def test_an_outage_wakes_those_beside_it_that_have_a_process_and_nobody_else(
    outlook: Outlook, geometry: Geometry
) -> None:
    inhabited = set(geometry.inhabited.tolist())
    london = geometry.index_of("london")
    satellite, *_ = outlook.neighbours_of(london)
    beside = outlook.beside(Failures(nodes=frozenset({satellite})))
    assert london in beside
    assert beside <= inhabited
    assert all(node == satellite or satellite in outlook.neighbours_of(node) for node in beside)
    link = (min(london, satellite), max(london, satellite))
    assert outlook.beside(Failures(links=frozenset({link}))) == {*link} & inhabited


def test_a_satellite_is_told_what_surrounds_it(outlook: Outlook, geometry: Geometry) -> None:
    truth = truth_at(geometry, 0.0)
    codes = countries_at(truth.lat_deg, truth.lon_deg)
    for node in geometry.inhabited[geometry.inhabited < geometry.n_sat].tolist():
        around = told(outlook, geometry, node).surroundings
        assert around.beta_deg == pytest.approx(truth.beta_deg[node])
        assert around.country == codes[node]
        assert around.storm_factor == 1.0 + node
        assert any(one.start_t_s <= 0.0 < one.end_t_s for one in around.eclipses) is not bool(truth.lit[node])
        over = any(one.start_t_s <= 0.0 < one.end_t_s for one in around.anomaly_passes)
        assert over is (bool(truth.in_anomaly[node]) or node in geometry.inhabited[:2])
        position_km, _ = geometry.itrf(node, outlook.epoch.t0_s)
        noon = np.degrees(np.arccos(position_km @ around.sun_itrf / np.linalg.norm(position_km)))
        assert truth.lit[node] or noon > 100.0, "who is in the shadow has the Sun below the horizon"


def test_only_what_is_told_is_wrong_and_only_by_the_error_of_the_scenario(
    scenario: Scenario, geometry: Geometry, outlook: Outlook
) -> None:
    error = ForecastError(eclipse_s=30.0, anomaly_s=10.0, contact_s=4.0)
    wrong = scenario.model_copy(update={"environment": Environment(forecast_error=error)})
    found = Outlook(
        (other := Geometry(wrong)),
        Passes(other),
        Timeline(wrong.speed),
        lambda index: "",
        0,
        Storms(Timeline(wrong.speed)),
    )
    found.compute(0.0)
    while found.extend():
        pass
    told_s = Forecaster(error, scenario.seed).instant_s
    contacts = 0
    for node in geometry.inhabited.tolist():
        right, update, name = told(outlook, geometry, node), told(found, geometry, node), geometry.names[node]
        assert update.surroundings.eclipses == right.surroundings.eclipses
        for eclipse, said in zip(right.shadow.eclipses, update.shadow.eclipses, strict=True):
            assert said.start_t_s == told_s("eclipse", name, eclipse.start_t_s, 0.0)
            known = eclipse.end_t_s < right.shadow.until_t_s
            assert said.end_t_s == (
                told_s("eclipse", name, eclipse.end_t_s, 0.0) if known else eclipse.end_t_s
            )
        for over, told_of in zip(right.anomaly.passes, update.anomaly.passes, strict=True):
            assert told_of.start_t_s == told_s("anomaly", name, over.start_t_s, 0.0)
        sights = {
            (one.peer, told_s("contact", f"{name}, {one.peer}", one.start_t_s, 0.0)) for one in right.gateways
        }
        assert {(one.peer, one.start_t_s) for one in update.gateways} == sights
        heard = {(contact.peer, contact.start_t_s) for contact in update.forecast}
        for contact in right.forecast:
            by_radio = (contact.kind == mesh_pb2.NODE_KIND_SATELLITE) != (node < geometry.n_sat)
            start_s = contact.start_t_s
            if by_radio and start_s > 0.0:
                contacts += 1
                assert (contact.peer, start_s) not in heard
                start_s = told_s("contact", f"{name}, {contact.peer}", start_s, 0.0)
            assert (contact.peer, start_s) in heard, "lasers are pointed by plan, gateways by forecast"
    assert contacts
