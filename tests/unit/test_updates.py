"""What nodes are told about what surrounds them."""

from __future__ import annotations

import pytest

from skyrack.orchestrator.runtime.nodes import NodeState
from skyrack.orchestrator.runtime.updates import FORECAST_S, Outlook
from skyrack.orchestrator.scenario import Scenario, load_scenario
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
    found = Outlook(geometry, Timeline(scenario.speed), lambda index: f"100.64.0.{index + 1}", 0)
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


def test_a_satellite_is_told_of_its_shadow_and_how_far_contacts_are_known(
    outlook: Outlook, geometry: Geometry
) -> None:
    update = told(outlook, geometry, int(geometry.inhabited[0]))
    assert update.shadow.until_t_s > 3600.0
    assert all(one.end_t_s > 0.0 and one.start_t_s < one.end_t_s for one in update.shadow.eclipses)
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
