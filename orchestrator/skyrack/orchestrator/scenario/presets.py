"""Constellations that ship with the package."""

from functools import cache
from importlib import resources


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of the presets, sorted."""
    folder = resources.files("skyrack.orchestrator.scenario").joinpath("presets")
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".yaml")))
