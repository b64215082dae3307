"""The lasers and ground links: which exist, how fast, how lossy."""

from typing import Literal

from .base import Flag, Number, Section, Whole, key

QUEUE_S = 0.1
SMALLEST_QUEUE_BYTES = 65_536


class ExtraDelay(Section):
    """A deliberate error of one emulated link which the computed delay does not know: a negative control."""

    a: str = key("One end, a node's name.")
    b: str = key("The other end, a node's name.")
    extra_ms: Number = key("Delay added in both directions.", unit="ms", ge=0, le=10_000)


class Links(Section):
    """The lasers and ground links of the mesh."""

    pattern: Literal["plus-grid", "nearest"] = key(
        "Which satellites have lasers to each other: plus-grid (two neighbours in the plane, two across) or the "
        "nearest ones in sight.",
        source="D: the usual model of Starlink and Kuiper",
        default="plus-grid",
    )
    lasers_per_satellite: Whole = key(
        "Lasers per satellite; used by the nearest pattern.",
        unit="count",
        source="D: as many as plus-grid uses",
        default=4,
        ge=1,
        le=64,
    )
    laser_rate_bps: Number = key(
        "Rate of a laser in each direction.",
        unit="bit/s",
        source="P: V2 mini, 100 Gbit/s per head",
        default=100e9,
        ge=1e3,
        le=1e15,
    )
    ground_rate_bps: Number = key(
        "Rate of a ground link in each direction.",
        unit="bit/s",
        source="P: V2 mini, about 96-100 Gbit/s down",
        default=100e9,
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
        "Longest laser; without it only the line of sight limits.", unit="km", default=None, gt=0, le=500_000
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
    detection_s: Number = key(
        "After this long without light a neighbour counts as gone.",
        unit="s",
        source="D: three hellos 50 ms apart, a common setting of BFD (RFC 5880)",
        default=0.15,
        ge=0,
        le=3600,
    )
    zero_delay: Flag = key(
        "Make every propagation delay 0, to measure the host's own floor.", source="D", default=False
    )
    extra_delay: tuple[ExtraDelay, ...] = key(
        "Links that are deliberately longer than computed, as a negative control.",
        source="D: none",
        default=(),
    )

    def queue_limit_bytes(self, rate_bps: float) -> int:
        """Return what one direction of a link of this rate may hold, in emulated bytes, the default resolved."""
        if self.queue_bytes is not None:
            return self.queue_bytes
        return max(SMALLEST_QUEUE_BYTES, round(rate_bps / 8 * QUEUE_S))
