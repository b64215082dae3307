"""The family of the weather over ground stations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import Metric

from skyrack.orchestrator.environment.weather import Sky
from skyrack.v1 import families


def weather_families(stations: Sequence[str], sky: Sky) -> Iterator[Metric]:
    """`sky` over each station, (g, 2): up, down."""
    attenuation = families.gauge("skyrack_ground_attenuation_db")
    for station, (up_db, down_db) in zip(stations, sky.attenuation_db.tolist(), strict=True):
        attenuation.add_metric([station, "up"], up_db)
        attenuation.add_metric([station, "down"], down_db)
    yield attenuation
