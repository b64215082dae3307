"""Who is lit, against Skyfield with the ephemeris DE421 (package skyfield-data)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, load_file
from skyfield.jpllib import SpiceKernel

from skyrack.orchestrator.environment.sun import sun_at
from skyrack.orchestrator.orbit.constants import SECONDS_PER_DAY
from skyrack.orchestrator.orbit.sun import sunlit
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.geometry import Geometry

PRESETS = ("iridium", "starlink-shell1", "telesat-polar", "oneweb", "starlink-v3")
SATELLITES, TIMES = 20, 100  # of each preset: 10,000 satellite-times in all
SPAN_S = 365.0 * SECONDS_PER_DAY
PENUMBRA_S = 10.0  # of a low orbit: the Sun's half degree across, at 1 rad in 15 min


@pytest.fixture
def ephemeris() -> Iterator[SpiceKernel]:
    """By its place: the package's own function warns that another of its files is out of date."""
    kernel = load_file(str(files("skyfield_data") / "data" / "de421.bsp"))
    yield kernel
    kernel.close()


def test_skyfield_agrees_on_who_is_lit_at_ten_thousand_satellite_times(ephemeris: SpiceKernel) -> None:
    """Skyfield's `is_sunlit` (1.49): a line from the satellite to the Sun's centre that a sphere does not cut.

    With this seed they agree on all 10,000. Where they differ the satellite is within the penumbra: ten seconds later or
    earlier both say the same again.
    """
    timescale = load.timescale(builtin=True)
    draw = np.random.default_rng(7)
    differ = lit = 0
    for preset in PRESETS:
        geometry = Geometry(load_scenario(preset))
        for satellite in draw.choice(geometry.n_sat, SATELLITES, replace=False).tolist():
            t_s = np.sort(draw.uniform(0.0, SPAN_S, TIMES))
            around_s = t_s[:, np.newaxis] + np.array([-PENUMBRA_S, 0.0, PENUMBRA_S])
            instants = around_s.ravel()
            r_km = geometry.positions_of_km([satellite], instants)[:, 0]
            ours = sunlit(r_km, sun_at(geometry, instants)).reshape(around_s.shape)
            record = geometry.constellation.elements[satellite].satrec
            times = timescale.from_datetimes(
                [geometry.start + timedelta(seconds=second) for second in t_s.tolist()]
            )
            theirs = EarthSatellite.from_satrec(record, timescale).at(times).is_sunlit(ephemeris)
            wrong = ours[:, 1] != theirs
            differ += int(wrong.sum())
            lit += int(theirs.sum())
            near_an_edge = ours[:, 0] != ours[:, 2]
            assert near_an_edge[wrong].all(), f"{preset} {satellite}: not within {PENUMBRA_S:g} s of an edge"
    count = len(PRESETS) * SATELLITES * TIMES
    assert count == 10_000
    assert 0.6 < lit / count < 0.8, "both sides of the edge are looked at"
    assert differ / count < 0.001
