"""Shells: the right satellites in the right places, and +Grid neighbours for every size of constellation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.orbit.constellation import build_constellation
from skyrack.orchestrator.scenario import Scenario, load_scenario, preset_names, satellite_names


def _shells(*shells: dict[str, object], **keys: object) -> Scenario:
    return Scenario.model_validate({"version": 1, "name": "test", "shells": shells, **keys})


def _walker(planes: int, slots: int, **keys: object) -> Scenario:
    return _shells({"planes": planes, "slots": slots, "altitude_km": 550, "inclination_deg": 53, **keys})


def _degrees(scenario: Scenario) -> np.ndarray:
    constellation = build_constellation(scenario)
    return np.bincount(constellation.grid_pairs.ravel(), minlength=len(constellation))


@pytest.mark.parametrize("preset", preset_names())
def test_names_are_those_the_scenario_promised(preset: str) -> None:
    """Scenario checks compare `inhabited` and workload pairs with satellite_names: they must be the same names."""
    scenario = load_scenario(preset)
    assert build_constellation(scenario).names == satellite_names(scenario)


@pytest.mark.parametrize(("altitude_km", "inclination_deg"), [(350, 53), (780, 86.4), (1200, 0), (550, 97.6)])
def test_altitude_is_the_mean_semi_major_axis(altitude_km: float, inclination_deg: float) -> None:
    """Within a metre after SGP4 has removed Kozai's J2 term; without inverting it a polar orbit is 5 km too high."""
    constellation = build_constellation(
        _shells({"planes": 1, "slots": 1, "altitude_km": altitude_km, "inclination_deg": inclination_deg})
    )
    axis_km = constellation.elements[0].satrec.a * 6378.135
    assert abs(axis_km - 6378.137 - altitude_km) < 1e-3


def test_published_period_at_550_km() -> None:
    (element,) = build_constellation(_walker(1, 1)).elements
    assert 2 * np.pi * element.satrec.a**1.5 / element.satrec.xke == pytest.approx(95.6, abs=0.1)


def test_walker_phasing_shifts_each_plane_by_f_slots_over_the_whole_turn() -> None:
    constellation = build_constellation(_walker(4, 5, phasing=3))
    anomaly_deg = np.degrees([element.satrec.mo for element in constellation.elements]).reshape(4, 5)
    raan_deg = np.degrees([element.satrec.nodeo for element in constellation.elements]).reshape(4, 5)
    assert np.allclose(anomaly_deg[:, 0], [0, 54, 108, 162])
    assert np.allclose(raan_deg[:, 0], [0, 90, 180, 270])
    assert np.allclose(np.diff(anomaly_deg[0]), 72)


def test_half_slot_shift_moves_odd_planes_only() -> None:
    constellation = build_constellation(_walker(4, 6, alternate_half_slot=True, mean_anomaly_offset_deg=10))
    anomaly_deg = np.degrees([element.satrec.mo for element in constellation.elements]).reshape(4, 6)
    assert np.allclose(anomaly_deg[:, 0], [10, 40, 10, 40])


def test_star_spreads_planes_over_half_a_turn() -> None:
    constellation = build_constellation(_walker(3, 1, walker="star", raan_offset_deg=5))
    raan_deg = np.degrees([element.satrec.nodeo for element in constellation.elements])
    assert np.allclose(raan_deg, [5, 65, 125])


def test_iridium_has_121_lasers_and_a_dark_seam() -> None:
    constellation = build_constellation(load_scenario("iridium"))
    assert len(constellation.grid_pairs) == 121
    plane = constellation.plane[constellation.grid_pairs]
    assert not ((plane.min(axis=1) == 0) & (plane.max(axis=1) == 5)).any()


def test_a_seam_that_is_asked_for_is_there() -> None:
    assert len(build_constellation(_walker(6, 11, walker="star", cross_plane_seam=True)).grid_pairs) == 132
    assert len(build_constellation(_walker(6, 11, cross_plane_seam=False)).grid_pairs) == 121


def test_delta_seam_joins_the_satellites_that_are_abreast() -> None:
    """With Walker phasing the grid closes F slots further on; joining equal slots would stretch the seam's lasers."""
    constellation = build_constellation(_walker(8, 9, phasing=3))
    r_km, _ = constellation.teme_km(0.0)
    a, b = constellation.grid_pairs.T
    length_km = np.linalg.norm(r_km[a] - r_km[b], axis=1)
    across = constellation.plane[a] != constellation.plane[b]
    seam = np.abs(constellation.plane[a] - constellation.plane[b]) == 7
    assert seam.sum() == 9
    assert length_km[seam].max() <= length_km[across & ~seam].max() + 1.0


@given(
    planes=st.integers(1, 5),
    slots=st.integers(1, 5),
    star=st.booleans(),
    seam=st.sampled_from([None, True, False]),
    data=st.data(),
)
def test_no_laser_twice_or_to_itself_in_constellations_of_any_size(
    planes: int, slots: int, star: bool, seam: bool | None, data: st.DataObject
) -> None:
    phasing = data.draw(st.integers(0, planes - 1))
    walker = "star" if star else "delta"
    scenario = _walker(planes, slots, walker=walker, phasing=phasing, cross_plane_seam=seam)
    pairs = build_constellation(scenario).grid_pairs
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert (_degrees(scenario) <= 4).all()


@pytest.mark.parametrize(
    ("planes", "slots", "lasers"),
    [(1, 1, 0), (1, 2, 1), (1, 3, 3), (2, 1, 1), (3, 1, 3), (2, 2, 4), (3, 3, 18)],
)
def test_small_deltas_have_the_lasers_one_would_draw(planes: int, slots: int, lasers: int) -> None:
    assert len(build_constellation(_walker(planes, slots)).grid_pairs) == lasers


def test_several_shells_stay_apart() -> None:
    """+Grid never joins shells: they drift against each other."""
    constellation = build_constellation(load_scenario("kuiper"))
    shell = constellation.shell[constellation.grid_pairs]
    assert (shell[:, 0] == shell[:, 1]).all()
    assert len(constellation.grid_pairs) == 2 * len(constellation)


def test_geostationary_satellite_stands_still_for_ten_days() -> None:
    from skyrack.orchestrator.topology.geometry import Geometry

    geometry = Geometry(load_scenario("viasat3"))
    for t_s in (0.0, 43_200.0, 864_000.0):
        lat_deg, lon_deg, altitude_km = (values[0] for values in geometry.geodetic(t_s))
        assert abs(lat_deg) < 0.05
        assert abs(lon_deg + 79.0) < 0.2
        assert abs(altitude_km - 35_786.0) < 10.0


def test_cluster_holds_its_formation_for_a_day() -> None:
    """Neighbours 100 to 200 m apart within 1 km (Suncatcher); J2 and the day's drift may take 10 % off or add it."""
    constellation = build_constellation(load_scenario("suncatcher"))
    a, b = constellation.grid_pairs.T
    assert len(a) == 140
    for t_s in np.linspace(0.0, 86_400.0, 50):
        r_km, _ = constellation.teme_km(float(t_s))
        apart_m = np.linalg.norm(r_km[a] - r_km[b], axis=1) * 1e3
        assert apart_m.min() > 90.0
        assert apart_m.max() < 220.0
        assert np.linalg.norm(r_km - r_km[0], axis=1).max() < 1.1


def test_dawn_dusk_cluster_sees_the_sun_square_on() -> None:
    from skyrack.orchestrator.orbit.sun import sun_direction
    from skyrack.orchestrator.orbit.times import julian_date

    constellation = build_constellation(load_scenario("suncatcher"))
    r_km, v_km_s = constellation.teme_km(0.0)
    pole = np.cross(r_km[0], v_km_s[0])
    beta_deg = np.degrees(
        np.arcsin(pole @ sun_direction(*julian_date(constellation.start)) / np.linalg.norm(pole))
    )
    assert abs(beta_deg) > 60.0
