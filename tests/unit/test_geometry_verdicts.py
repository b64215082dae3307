"""The geometry's design verdicts still hold when they are computed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DESIGN = Path(__file__).parents[2] / "docs" / "design"


@pytest.mark.timeout(1200)  # it computes for up to 20 s, and waits for nothing
@pytest.mark.parametrize(
    "name", ["geometry_hermite_knots", "geometry_linear_segments", "laser_churn", "starlink_calibration"]
)
def test_the_verdict_holds(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each script opens with its verdict and asserts it from what it computes."""
    spec = importlib.util.spec_from_file_location(name, DESIGN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.__doc__ or "").startswith("Verdict: ")
    module.main()
    assert "verdict holds" in capsys.readouterr().out
