"""What space is like around the satellites, and how well it is forecast."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ...environment.sphere import around_a_pole
from .base import Number, Section, key

Corner = tuple[Annotated[Number, Field(ge=-90, le=90)], Annotated[Number, Field(ge=-180, le=180)]]
Corners = Annotated[tuple[Corner, ...], Field(min_length=3)]

ANOMALY: tuple[tuple[float, float], ...] = ((-45.0, -90.0), (-45.0, 40.0), (-15.0, 40.0), (-15.0, -90.0))


def _a_region(corners: Corners) -> Corners:
    if around_a_pole([lon_deg for _, lon_deg in corners]):
        raise PydanticCustomError("region", "expected a region that does not go around a pole")
    return corners


class ForecastError(Section):
    """Standard deviations of the errors in what nodes are told of their future: one draw for each event and node."""

    eclipse_s: Number = key(
        "Of the begin and the end of a stay in the Earth's shadow.",
        unit="s",
        source="D: forecasts are right",
        default=0.0,
        ge=0,
        le=600,
    )
    anomaly_s: Number = key(
        "Of the begin and the end of a stay over the South Atlantic Anomaly.",
        unit="s",
        source="D: forecasts are right",
        default=0.0,
        ge=0,
        le=600,
    )
    contact_s: Number = key(
        "Of the begin and the end of a contact with a ground station.",
        unit="s",
        source="D: forecasts are right",
        default=0.0,
        ge=0,
        le=600,
    )


class Environment(Section):
    """What surrounds the satellites."""

    anomaly: Annotated[Corners, AfterValidator(_a_region)] = key(
        "Corners of the South Atlantic Anomaly, latitude and longitude of each; edges are straight in both, and go the "
        "shorter way around.",
        unit="degrees",
        source="C: 8.7 % of an orbit of 53 deg is over this box",
        default=ANOMALY,
    )
    forecast_error: ForecastError = key("How wrong forecasts are.", default=ForecastError())
