"""What is said on the bus is what the reference page says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from skyrack.orchestrator.environment.spells import InForce
from skyrack.orchestrator.environment.truth import truth_at
from skyrack.orchestrator.runtime.bus import environment, forecast
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.v1 import control_pb2, telemetry
from skyrack.v1.kinds import NODE_KINDS

PAGE = Path(__file__).parents[2] / "docs/reference/telemetry.md"
PAYLOADS = {
    "NodeState": telemetry.NodeState,
    "NodeTelemetry": telemetry.NodeTelemetry,
    "Forecast": telemetry.Forecast,
    "Contact": telemetry.Contact,
    "Stay": telemetry.Stay,
    "Environment": telemetry.Environment,
    "RunEvent": telemetry.RunEvent,
}
EARTH_RADIUS_KM = 6378.137


def documented(name: str) -> list[str]:
    """The keys in the table under the heading that names a payload."""
    section = re.search(rf"^##+ [^\n]*`{name}`[^\n]*\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.S | re.M)
    assert section, f"{PAGE.name} has no heading with `{name}`"
    return re.findall(r"^\| `(\w+)` \|", section[1], re.M)


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_key_is_documented_and_no_other(name: str) -> None:
    assert documented(name) == list(get_type_hints(PAYLOADS[name]))


def test_every_key_with_a_unit_names_it() -> None:
    units = (
        "_s",
        "_deg",
        "_km",
        "_bytes",
        "_ratio",
        "_utc",
        "_teme",
        "_c",
        "_w",
        "_cores_allowed",
        "_factor",
    )
    for payload in PAYLOADS.values():
        for key, kind in get_type_hints(payload).items():
            if float in getattr(kind, "__args__", (kind,)):
                assert key.endswith(units), f"{payload.__name__}.{key}"


def test_times_are_utc_with_milliseconds() -> None:
    assert telemetry.utc_text(datetime(2026, 1, 2, 3, 4, 5, 6789, tzinfo=UTC)) == "2026-01-02T03:04:05.006Z"


@pytest.fixture(scope="module")
def iridium() -> Geometry:
    return Geometry(load_scenario("iridium"))


def test_who_is_named_as_eclipsed_stands_behind_the_earth(iridium: Geometry) -> None:
    t_s = 1000.0
    said: Any = environment(iridium, iridium.epoch(t_s), t_s, "now")
    assert set(said) == set(get_type_hints(telemetry.Environment))
    sun = np.asarray(said["sun_direction_teme"])
    assert np.linalg.norm(sun) == pytest.approx(1.0, abs=1e-5)
    position_km = iridium.positions_km(t_s)[: iridium.n_sat]
    along_km = position_km @ sun
    behind = (along_km < 0) & (np.linalg.norm(position_km, axis=1) ** 2 - along_km**2 < EARTH_RADIUS_KM**2)
    assert said["eclipsed"] == [iridium.names[i] for i in np.flatnonzero(behind)]
    assert said["eclipsed_ratio"] == pytest.approx(behind.mean(), abs=1e-4)
    assert 0.2 < said["eclipsed_ratio"] < 0.4, "a third of a low orbit at most"


def test_of_a_large_constellation_only_inhabited_satellites_are_named() -> None:
    geometry = Geometry(load_scenario("starlink-shell1"))
    said = environment(geometry, geometry.epoch(0.0), 0.0, "now")
    inhabited = {geometry.names[i] for i in geometry.inhabited}
    assert said["eclipsed_of"] == "inhabited"
    assert set(said["eclipsed"]) <= inhabited
    assert said["satellites"] == geometry.n_sat == 1584


def test_shares_are_the_whole_constellations_and_storms_the_worst(iridium: Geometry) -> None:
    storm = InForce(dict.fromkeys(range(33), 20.0))
    said = environment(iridium, iridium.epoch(0.0), 0.0, "now", storm)
    truth = truth_at(iridium, 0.0)
    assert said["eclipsed_ratio"] == pytest.approx(1.0 - truth.lit.mean(), abs=1e-4)
    assert said["in_anomaly_ratio"] == pytest.approx(truth.in_anomaly.mean(), abs=1e-4)
    assert said["in_anomaly"] == [iridium.names[i] for i in np.flatnonzero(truth.in_anomaly)]
    assert said["in_anomaly"], "some of 66 are over a twentieth of the Earth"
    assert (said["beta_min_deg"], said["beta_max_deg"]) == pytest.approx(
        (truth.beta_deg.min(), truth.beta_deg.max()), abs=1e-3
    )
    assert (said["storm_factor"], said["in_storm_ratio"]) == (20.0, 0.5)


def test_a_forecast_says_what_the_node_is_told() -> None:
    update = control_pb2.NodeUpdate(forecast_until_t_s=600.0)
    update.forecast.add(peer="p0s01", kind=NODE_KINDS["satellite"], start_t_s=0.0, end_t_s=600.0)
    update.forecast.add(peer="tokyo", kind=NODE_KINDS["ground"], start_t_s=-9.0, end_t_s=5.0)
    update.forecast.add(peer="london", kind=NODE_KINDS["ground"], start_t_s=100.0, end_t_s=200.0)
    update.gateways.add(peer="nairobi", kind=NODE_KINDS["ground"], start_t_s=-9.0, end_t_s=5.0)
    update.gateways.add(peer="london", kind=NODE_KINDS["ground"], start_t_s=90.0, end_t_s=205.0)
    update.shadow.eclipses.add(start_t_s=-10.0, end_t_s=9.0)
    update.shadow.eclipses.add(start_t_s=3000.0, end_t_s=5000.0)
    update.shadow.until_t_s = update.anomaly.until_t_s = 7200.0
    said = forecast(update, "p0s00", 10.0, "now", "then")
    assert set(said) == set(get_type_hints(telemetry.Forecast))
    assert [contact["peer"] for contact in said["contacts"]] == ["p0s01", "london"], "tokyo's has ended"
    assert [one["peer"] for one in said["gateway_passes"]] == ["london"], "nairobi's has ended"
    assert said["next_gateway_pass"] == said["gateway_passes"][0]
    assert said["next_eclipse"] == {"start_t_s": 3000.0, "end_t_s": 5000.0}
    assert (said["next_anomaly_pass"], said["stays_known_until_t_s"]) == (None, 7200.0)
    on_ground = forecast(control_pb2.NodeUpdate(), "london", 10.0, "now", "then")
    assert (on_ground["next_eclipse"], on_ground["stays_known_until_t_s"]) == (None, None)
