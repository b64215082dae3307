"""The lasers and ground links: which exist, how fast, how lossy."""

from typing import Any, Literal

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from .base import Flag, Number, Section, Whole, key

Selection = Literal["highest-elevation", "longest-remaining", "least-loaded"]

QUEUE_S = 0.1
SMALLEST_QUEUE_BYTES = 65_536


class ExtraDelay(Section):
    """A deliberate error of one emulated link which the computed delay does not know: a negative control."""

    a: str = key("One end, a node's name.")
    b: str = key("The other end, a node's name.")
    extra_ms: Number = key("Delay added in both directions.", unit="ms", ge=0, le=10_000)


class GeoRelay(Section):
    """Low satellites also point one laser at a geostationary satellite in sight, from a terminal of its own."""

    terminals_per_relay: Whole = key(
        "How many low satellites a geostationary one serves at once.", unit="count", ge=1, le=1000
    )
    rechoose_s: Number = key(
        "Who is served is chosen anew at this period, in whole epochs; the nearest come first.",
        unit="s",
        source="D: ten minutes, of the 45 a low satellite stays in sight of a geostationary one",
        default=600.0,
        ge=1,
        le=86_400,
    )


# Terminals, rate of each, ground rate. P and D as in the descriptions of the keys.
PLATFORMS: dict[str, dict[str, float]] = {
    "v2-mini": {"lasers_per_satellite": 3, "laser_rate_bps": 100e9, "ground_rate_bps": 100e9},
    "v3": {"lasers_per_satellite": 4, "laser_rate_bps": 250e9, "ground_rate_bps": 1e12},
    "ai-sat": {"lasers_per_satellite": 1, "laser_rate_bps": 1e12, "ground_rate_bps": 1e12},
    "none": {"lasers_per_satellite": 4, "laser_rate_bps": 100e9, "ground_rate_bps": 100e9},
}


class Links(Section):
    """The lasers and ground links of the mesh."""

    platform: Literal["v2-mini", "v3", "ai-sat", "none"] = key(
        "What the satellites are: fills in lasers_per_satellite, laser_rate_bps and ground_rate_bps where they are "
        "not given. v2-mini: 3 lasers of 100 Gbit/s, 100 Gbit/s to the ground (P). v3: 4 of 250 Gbit/s (D: about "
        "1 Tbit/s in all), 1 Tbit/s to the ground (P). ai-sat: 1 of 1 Tbit/s (P: a concept; ground rate D).",
        source="D: no platform, four lasers for plus-grid",
        default="none",
    )
    pattern: Literal["plus-grid", "nearest", "ring-diagonal", "tri-grid"] = key(
        "Which satellites have lasers to each other: plus-grid (two neighbours in the plane, two across), the "
        "nearest ones in sight, ring-diagonal (two in the plane, two across one slot on) or tri-grid (two in the "
        "plane, one across: three lasers).",
        source="D: the usual model of Starlink and Kuiper",
        default="plus-grid",
    )
    rechoose_s: Number | None = key(
        "A pattern that looks for partners keeps its choice for this long, in whole epochs.",
        unit="s",
        source="D: every epoch",
        default=None,
        ge=1,
        le=86_400,
    )
    lasers_per_satellite: Whole = key(
        "Laser terminals per satellite: no more are ever lit or acquiring.",
        unit="count",
        source="by platform: v2-mini 3 (P), v3 4 (D), ai-sat 1 (P), none 4 (D: as many as plus-grid uses)",
        default=None,
        ge=1,
        le=64,
    )
    laser_rate_bps: Number = key(
        "Rate of a laser in each direction.",
        unit="bit/s",
        source="by platform: v2-mini 100e9 (P: per head), v3 250e9 (D), ai-sat 1e12 (P), none 100e9",
        default=None,
        ge=1e3,
        le=1e15,
    )
    ground_rate_bps: Number = key(
        "Rate of a ground link in each direction.",
        unit="bit/s",
        source="by platform: v2-mini 100e9 (P: about 96-100 Gbit/s down), v3 1e12 (P), ai-sat 1e12 (D), none 100e9",
        default=None,
        ge=1e3,
        le=1e15,
    )
    byte_scale: Whole = key(
        "One real byte stands for this many emulated bytes.",
        unit="bytes per byte",
        source="D: no scaling",
        default=1,
        ge=1,
        le=10**9,
    )
    queue_bytes: Whole | None = key(
        "What may wait for one direction of a link before packets are dropped, in emulated bytes.",
        unit="bytes",
        source="D: 100 ms of the link's rate, 65,536 at least: one delay-bandwidth product of a long path, so that "
        "a single TCP flow keeps a link busy after a loss (Villamizar and Song 1994), at any rate",
        default=None,
        ge=1,
        le=10**15,
    )
    loss_ratio: Number = key(
        "Share of packets lost at random on every link.",
        unit="ratio",
        source="D: none",
        default=0.0,
        ge=0,
        le=1,
    )
    elevation_mask_deg: Number = key(
        "A ground station sees satellites above this elevation.",
        unit="degrees",
        source="P: Starlink 25",
        default=25.0,
        ge=0,
        lt=90,
    )
    ground_range_km: Number | None = key(
        "When given, a ground station sees satellites within this slant range, and the mask does not count.",
        unit="km",
        default=None,
        gt=0,
        le=500_000,
    )
    graze_altitude_km: Number = key(
        "A laser's line of sight must stay above this altitude.",
        unit="km",
        source="P: 80 km, the usual bound of the atmosphere in published models (Hypatia, IMC 2020)",
        default=80.0,
        ge=0,
        le=10_000,
    )
    laser_range_km: Number | None = key(
        "Longest laser; without it only the line of sight limits. P: Starlink's reach 5,400 km.",
        unit="km",
        default=None,
        gt=0,
        le=500_000,
    )
    acquisition_min_s: Number = key(
        "A laser that is new, or newly in sight, has light after this long at least.",
        unit="s",
        source="P: 12 s, Starlink's fastest acquisition",
        default=12.0,
        ge=0,
        le=600,
    )
    acquisition_max_s: Number = key(
        "And after this long at most; drawn uniformly per laser and beginning.",
        unit="s",
        source="C: 30 s; 12 to 30 s at 29.6 acquisitions a day (P) cost 0.4-1.0 % of the time (P: uptime above 99 %)",
        default=30.0,
        ge=0,
        le=600,
    )
    pointing_rate_max_deg_s: Number | None = key(
        "Lasers whose line of sight turns faster than this in the frame of either satellite are dark.",
        unit="degrees per second",
        source="D: no limit",
        default=None,
        gt=0,
        le=360,
    )
    geo_relay: GeoRelay | None = key(
        "Low satellites also point one laser at a geostationary satellite in sight; laser_range_km and "
        "pointing_rate_max_deg_s do not limit those.",
        source="D: none",
        default=None,
    )
    epoch_s: Number = key(
        "Ground links and routes are chosen anew at this period.",
        unit="s",
        source="P: Starlink 15 s",
        default=15.0,
        ge=1,
        le=86_400,
    )
    epoch_offset_s: Number = key(
        "Second of the minute at which one of the epochs begins.",
        unit="s",
        source="P: Starlink at :12 :27 :42 :57",
        default=12.0,
        ge=0,
        lt=86_400,
    )
    uplink_rate_bps: Number | None = key(
        "Rate of a ground link from the ground up.",
        unit="bit/s",
        source="D: ground_rate_bps",
        default=None,
        ge=1e3,
        le=1e15,
    )
    downlink_rate_bps: Number | None = key(
        "Rate of a ground link down to the ground.",
        unit="bit/s",
        source="D: ground_rate_bps",
        default=None,
        ge=1e3,
        le=1e15,
    )
    antennas: Whole | None = key(
        "To how many satellites a ground station has links at once; without it to all in sight.",
        unit="count",
        source="D: all in sight",
        default=None,
        ge=1,
        le=10_000,
    )
    selection: Selection = key(
        "Which satellites the antennas turn to, chosen anew every epoch.",
        source="D: the usual assumption of published models",
        default="highest-elevation",
    )
    detection_s: Number = key(
        "After this long without light a neighbour counts as gone.",
        unit="s",
        source="D: three hellos 50 ms apart, a common setting of BFD (RFC 5880)",
        default=0.15,
        ge=0,
        le=3600,
    )
    flood_processing_s: Number = key(
        "How long each node takes to pass on that something has failed or is back; light carries it from node to node.",
        unit="s",
        source="D: half a millisecond for check, update and queue of a link-state message",
        default=0.0005,
        ge=0,
        le=60,
    )
    satellite_processing_ms: Number = key(
        "What a satellite adds to the delay of what it forwards: half on the way in, half on the way out.",
        unit="ms",
        source="D: light alone; no operator publishes it",
        default=0.0,
        ge=0,
        le=1000,
    )
    gateway_processing_ms: Number = key(
        "What a ground station adds to the delay of each of its links to satellites, each way.",
        unit="ms",
        source="D: light alone",
        default=0.0,
        ge=0,
        le=1000,
    )
    zero_delay: Flag = key(
        "Make every delay 0, propagation and processing, to measure the host's own floor.",
        source="D",
        default=False,
    )
    extra_delay: tuple[ExtraDelay, ...] = key(
        "Links that are deliberately longer than computed, as a negative control.",
        source="D: none",
        default=(),
    )

    @field_validator("lasers_per_satellite", "laser_rate_bps", "ground_rate_bps", mode="before")
    @classmethod
    def _by_platform(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return PLATFORMS[info.data.get("platform", "none")][info.field_name] if value is None else value

    @model_validator(mode="after")
    def _acquisition_in_order(self) -> "Links":
        if self.acquisition_min_s > self.acquisition_max_s:
            context = {
                "key": "acquisition_min_s",
                "most": f"{self.acquisition_max_s:g}",
            }
            raise PydanticCustomError("acquisition", "must be at most acquisition_max_s, {most} s", context)
        return self

    def queue_limit_bytes(self, rate_bps: float) -> int:
        """Return what one direction of a link of this rate may hold, in emulated bytes, the default resolved."""
        if self.queue_bytes is not None:
            return self.queue_bytes
        return max(SMALLEST_QUEUE_BYTES, round(rate_bps / 8 * QUEUE_S))
