"""The ground stations that are known by name: approximate, illustrative, town-level."""

from functools import cache
from importlib import resources
from typing import Any, cast

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def stations() -> dict[str, dict[str, Any]]:
    """Return name -> {lat_deg, lon_deg, population, country, region} of every known station, in order of name."""
    text = resources.files("skyrack.orchestrator.scenario").joinpath("stations.yaml").read_text("utf-8")
    return cast(dict[str, dict[str, Any]], yaml.load(text, Loader=Loader))


def station_names() -> tuple[str, ...]:
    """Return the names of the known ground stations, sorted."""
    return tuple(sorted(stations()))
