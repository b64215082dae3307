"""The README's picture is what the geometry computes today."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NUMBER = re.compile(r"-?\d+\.\d")


def test_the_committed_picture_is_the_one_its_script_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails: run docs/images/draw_iridium.py, look at the picture, and commit it."""
    monkeypatch.syspath_prepend(str(IMAGES))
    drawn = runpy.run_path(str(IMAGES / "draw_iridium.py"))["Picture"]().svg()
    committed = (IMAGES / "iridium.svg").read_text()
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", committed)
    # A tenth of a pixel may round differently elsewhere.
    assert _numbers(drawn) == pytest.approx(_numbers(committed), abs=0.11)


def _numbers(svg: str) -> list[float]:
    return [float(text) for text in NUMBER.findall(svg)]
