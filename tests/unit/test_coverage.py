"""Coverage against closed forms and published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skyrack.orchestrator.cli.main import command_tree
from skyrack.orchestrator.report.coverage_plot import coverage_svg
from skyrack.orchestrator.scenario import load_scenario
from skyrack.orchestrator.topology.coverage import Coverage, Ground, coverage
from skyrack.orchestrator.topology.geometry import Geometry
from skyrack.orchestrator.topology.sight import GroundLimits


def _of(preset: str, span_s: int, step_s: int, grid_deg: float = 5.0) -> Coverage:
    geometry = Geometry(load_scenario(preset))
    instants_s = [float(t_s) for t_s in range(0, span_s, step_s)]
    return coverage(
        geometry.satellites_itrf_km, instants_s, step_s, Ground.grid(grid_deg), geometry.ground_limits
    )


def test_the_grid_has_equal_areas() -> None:
    ground = Ground.grid(5.0)
    area = (ground.weight / np.bincount(ground.row))[ground.row]
    assert area.sum() == pytest.approx(1.0)
    inner = np.abs(ground.lat_deg[ground.row]) < 80
    assert area[inner].max() / area[inner].min() < 1.06


@pytest.mark.parametrize(("altitude_km", "mask_deg"), [(550, 25), (780, 8.2), (35_786, 10)])
@pytest.mark.parametrize("lat_deg", [0.0, 40.0])
def test_one_satellite_sees_the_cap_of_the_closed_form(
    altitude_km: float, mask_deg: float, lat_deg: float
) -> None:
    """(1 - cos psi) / 2 with psi = acos(R cos e / (R + h)) - e."""
    e, radius_km = np.radians(mask_deg), 6371.0
    psi = np.arccos(radius_km * np.cos(e) / (radius_km + altitude_km)) - e
    up = np.array([np.cos(np.radians(lat_deg)), 0.0, np.sin(np.radians(lat_deg))])
    at_km = ((radius_km + altitude_km) * up)[np.newaxis]
    found = coverage(lambda _: at_km, [0.0], 60.0, Ground.grid(1.0), GroundLimits(mask_deg))
    assert found.seen_ratio == pytest.approx((1 - np.cos(psi)) / 2, rel=0.05)


def test_iridium_sees_nearly_all_of_the_ground_at_8_2_degrees() -> None:
    """Published: global coverage at 8.2 degrees. Its planes here are evenly apart, which costs slits near the equator."""
    found = _of("iridium", 6000, 60)
    assert found.seen_ratio > 0.999
    assert found.rows[0].in_view_min > 3, "the poles are under every plane"


def test_starlink_s_first_shell_sees_nobody_far_beyond_its_inclination() -> None:
    """53 degrees and the cap of 25 degrees elevation, 8.5 degrees wide: nothing above 62."""
    found = _of("starlink-shell1", 1200, 60)
    for row in found.rows:
        assert row.seen_ratio == (1.0 if abs(row.lat_deg) < 60 else 0.0)
        assert row.outage_max_s == (None if abs(row.lat_deg) < 60 else 1200.0)
    dense = max(found.rows, key=lambda row: row.in_view_mean)
    assert 45 < abs(dense.lat_deg) < 55, "satellites gather where they turn round"


def test_outages_are_counted_in_steps_from_loss_to_return() -> None:
    """A satellite overhead that is away twice, for two steps each; at the end an outage is cut off."""
    ground = Ground.grid(90.0)
    north = Ground(
        ground.lat_deg[1:], np.ones(1), np.zeros(1, dtype=np.int64), ground.itrf_km[-1:], ground.up[-1:]
    )
    above, gone = 1.2 * north.itrf_km, np.full((1, 3), np.nan)
    seen = [True, False, False, True, False, False, True, False]
    found = coverage(
        lambda t_s: above if seen[int(t_s / 60)] else gone,
        [60.0 * i for i in range(len(seen))],
        60.0,
        north,
        GroundLimits(25.0),
    )
    (row,) = found.rows
    assert (row.outages, row.outage_p50_s, row.outage_max_s) == (3, 120.0, 120.0)
    assert (row.seen_ratio, row.in_view_min, row.in_view_max) == (3 / 8, 0, 1)
    assert found.seen_min_ratio == 0.0


def test_a_plot_is_one_complete_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.svg"
    arguments = ["coverage", "iridium", "--for", "10m", "--grid", "15", "-o", "csv", "--plot", str(file)]
    command_tree()(arguments, standalone_mode=False)
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("lat_deg,seen_ratio,in_view_min")
    assert len(rows) == 13
    assert file.read_text().startswith("<svg xmlns=")
    assert file.read_text().count("<polyline") == 5
    assert "iridium" in coverage_svg(_of("iridium", 60, 60, 30.0), "iridium")
