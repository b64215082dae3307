"""Planes and slots told from orbits alone: a designed grid is found again, a heap of satellites is not made one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skyrack.orchestrator.orbit.constellation import Constellation, build_constellation
from skyrack.orchestrator.orbit.times import from_julian_date
from skyrack.orchestrator.scenario import Scenario, load_scenario

VECTORS = Path(__file__).parents[1] / "vectors"


def _catalogued(tmp_path: Path, constellation: Constellation, shuffle: int) -> Scenario:
    """The constellation as an OMM file, in random order and without places."""
    messages = []
    for number, element in enumerate(constellation.elements):
        satrec = element.satrec
        messages.append(
            {
                "OBJECT_NAME": element.name,
                "NORAD_CAT_ID": number + 1,
                "EPOCH": from_julian_date(satrec.jdsatepoch, satrec.jdsatepochF)
                .replace(tzinfo=None)
                .isoformat(),
                "MEAN_MOTION": satrec.no_kozai * 720.0 / np.pi,
                "ECCENTRICITY": satrec.ecco,
                "INCLINATION": float(np.degrees(satrec.inclo)),
                "RA_OF_ASC_NODE": float(np.degrees(satrec.nodeo)),
                "ARG_OF_PERICENTER": float(np.degrees(satrec.argpo)),
                "MEAN_ANOMALY": float(np.degrees(satrec.mo)),
            }
        )
    order = np.random.default_rng(shuffle).permutation(len(messages))
    path = tmp_path / "set.json"
    path.write_text(json.dumps([messages[i] for i in order]))
    return Scenario.model_validate({"version": 1, "name": "test", "omm": [str(path)]})


def _mean_length_km(constellation: Constellation) -> float:
    """Over a whole orbit: lasers across planes are longest at the equator."""
    lengths_km = []
    for t_s in np.linspace(0.0, 6000.0, 13):
        r_km, _ = constellation.teme_km(float(t_s))
        a, b = constellation.grid_pairs.T
        lengths_km.append(np.linalg.norm(r_km[a] - r_km[b], axis=1).mean())
    return float(np.mean(lengths_km))


@pytest.mark.parametrize("preset", ["iridium", "telesat-polar", "oneweb", "kuiper"])
def test_a_designed_grid_is_found_again(tmp_path: Path, preset: str) -> None:
    designed = build_constellation(load_scenario(preset))
    inferred = build_constellation(_catalogued(tmp_path, designed, shuffle=5))
    assert (inferred.plane >= 0).all()
    assert len(inferred.grid_pairs) == len(designed.grid_pairs)
    assert (np.bincount(inferred.grid_pairs.ravel()) <= 4).all()
    # Planes half a slot apart may be joined forwards or backwards: other pairs, almost as short.
    assert _mean_length_km(inferred) <= 1.05 * _mean_length_km(designed)


def test_planes_and_slots_count_from_zero_in_order(tmp_path: Path) -> None:
    inferred = build_constellation(
        _catalogued(tmp_path, build_constellation(load_scenario("iridium")), shuffle=1)
    )
    assert sorted(set(inferred.plane.tolist())) == list(range(6))
    for plane in range(6):
        assert sorted(inferred.slot[inferred.plane == plane].tolist()) == list(range(11))
    assert any("66 of 66" in note for note in inferred.notes)


def test_dead_satellites_are_not_made_a_grid() -> None:
    """The real file: 31 objects at many heights, no two of them neighbours for long."""
    scenario = Scenario.model_validate(
        {"version": 1, "name": "test", "tle": [str(VECTORS / "iridium_2022.tle")]}
    )
    constellation = build_constellation(scenario)
    assert (constellation.plane == -1).all()
    assert not len(constellation.grid_pairs)
    assert any("nearest neighbours" in note for note in constellation.notes)


def test_real_planes_are_found_and_a_launch_train_is_left_out() -> None:
    """Four neighbouring planes of Starlink's first shell and part of a train at 350 km."""
    scenario = Scenario.model_validate(
        {"version": 1, "name": "test", "tle": [str(VECTORS / "starlink_2022_cut.tle")]}
    )
    constellation = build_constellation(scenario)
    assert sorted(set(constellation.plane.tolist())) == [-1, 0, 1, 2, 3]
    r_km, _ = constellation.teme_km(0.0)
    assert (np.linalg.norm(r_km[constellation.plane < 0], axis=1) < 6378 + 380).all()
    a, b = constellation.grid_pairs.T
    across = constellation.plane[a] != constellation.plane[b]
    assert across.sum() >= 3 * 18
    assert np.median(np.linalg.norm(r_km[a] - r_km[b], axis=1)[across]) < 1200.0


def test_neighbours_across_planes_stay_neighbours_for_a_day() -> None:
    """Planes and slots would be worthless if satellites of a plane overtook each other."""
    scenario = Scenario.model_validate(
        {"version": 1, "name": "test", "tle": [str(VECTORS / "starlink_2022_cut.tle")]}
    )
    constellation = build_constellation(scenario)
    a, b = constellation.grid_pairs.T
    apart_km = []
    for t_s in (0.0, 86_400.0):
        r_km, _ = constellation.teme_km(t_s)
        along = constellation.plane[a] == constellation.plane[b]
        apart_km.append(np.linalg.norm(r_km[a] - r_km[b], axis=1)[along])
    assert np.median(np.abs(apart_km[1] - apart_km[0])) < 50.0
