"""Rain and clouds over ground stations."""

from typing import Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from .base import Number, Section, key


class Weather(Section):
    """What the air does to ground links: a share of their rate, or nothing gets through."""

    band: Literal["none", "ka", "e-band", "optical"] = key(
        "What ground links use: none (no weather), ka (18.8 GHz down, 28.5 up), e-band (73.5 both ways) or optical.",
        source="D: no weather",
        default="none",
    )
    snr_db: Number = key(
        "Signal to noise of a radio link under a clear sky.",
        unit="dB",
        source="D",
        default=15.0,
        ge=-5,
        le=60,
    )
    eta_max: Number = key(
        "Efficiency of the densest code.",
        unit="bit/s/Hz",
        source="P: 4.45, the densest mode of DVB-S2 (EN 302 307-1)",
        default=4.45,
        gt=0,
        le=20,
    )
    closure_snr_db: Number = key(
        "Below this signal to noise a radio link is out; at most snr_db.",
        unit="dB",
        source="P: -2.35, the most robust mode of DVB-S2 (EN 302 307-1)",
        default=-2.35,
        ge=-20,
        le=30,
    )
    clear_ratio: Number = key(
        "Share of the time in which no cloud blocks an optical station.",
        unit="ratio",
        source="P: 59 to 69 % of sessions per site succeed",
        default=0.65,
        gt=0,
        lt=1,
    )
    cloud_correlation_km: Number = key(
        "Skies so far apart resemble each other by 1/e.",
        unit="km",
        source="D",
        default=300.0,
        gt=0,
        le=40_000,
    )
    cloud_correlation_s: Number = key(
        "A sky resembles itself by 1/e after so long.", unit="s", source="D", default=10_800.0, ge=60, le=1e7
    )

    @model_validator(mode="after")
    def _closes_under_a_clear_sky(self) -> "Weather":
        if self.snr_db < self.closure_snr_db:
            if "snr_db" in self.model_fields_set:
                context = {"key": "snr_db", "bound": f"at least closure_snr_db, {self.closure_snr_db:g}"}
            else:
                context = {"key": "closure_snr_db", "bound": f"at most snr_db, {self.snr_db:g}"}
            message = "no ground link closes under a clear sky: must be {bound} dB"
            raise PydanticCustomError("closure", message, context)
        return self
