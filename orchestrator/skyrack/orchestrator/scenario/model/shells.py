"""Where the satellites are: Walker shells, a close cluster, geostationary positions."""

from typing import Annotated, Literal

from pydantic import Discriminator, Tag, model_validator
from pydantic_core import PydanticCustomError

from ..names import NAME_PATTERN, walker_names
from .base import Flag, Number, Section, Time, Whole, key

EARTH_RADIUS_KM = 6378.137  # the radius altitudes of shells are counted from
LOWEST_KM = 120.0  # nothing completes an orbit below
KINDS = ("walker", "cluster", "geostationary")


class _ShellBase(Section):
    name: str | None = key(
        "Prefix of the satellites' names when there are several shells: gen1 gives gen1-p3s07. May be left out when "
        "the shell is the only one.",
        default=None,
        pattern=NAME_PATTERN,
    )
    epoch: Time | None = key(
        "The instant at which the angles below hold.",
        unit="UTC",
        source="D: the scenario's start",
        default=None,
    )

    launch_batch: Whole = key(
        "Satellites per launch, consecutive in the order of their numbers: what batch:N selects. A model: launches do not fill "
        "planes in this order.",
        unit="count",
        source="P: 60 per launch",
        default=60,
        ge=1,
        le=100_000,
    )

    @property
    def prefix(self) -> str:
        return f"{self.name}-" if self.name else ""

    @property
    def grid(self) -> tuple[int, int]:
        """Planes, and satellites per plane."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        planes, slots = self.grid
        return planes * slots

    def names(self, prefix: str) -> list[str]:
        """Return the satellites' names in order of plane and slot."""
        return walker_names(prefix, *self.grid)


class WalkerShell(_ShellBase):
    """Planes of equal inclination, spread evenly in right ascension, with evenly spread satellites."""

    kind: Literal["walker"] = key(
        "Kind of the shell: walker, cluster or geostationary.", source="D: the usual kind", default="walker"
    )
    walker: Literal["delta", "star"] = key(
        "delta spreads the planes over 360 degrees of right ascension, star over 180.",
        source="D: most constellations are deltas",
        default="delta",
    )
    planes: Whole = key("Orbital planes.", unit="count", ge=1, le=2000)
    slots: Whole = key("Satellites per plane.", unit="count", ge=1, le=2000)
    altitude_km: Number | None = key(
        "Mean altitude above a sphere of 6,378.137 km. Give this or mean_motion_rev_per_day.",
        unit="km",
        ge=LOWEST_KM,
        le=400_000,
        default=None,
    )
    mean_motion_rev_per_day: Number | None = key(
        "Mean motion. Give this or altitude_km.", unit="revolutions per day", gt=0.01, le=16.7, default=None
    )
    inclination_deg: Number = key("Inclination of every plane.", unit="degrees", ge=0, le=180)
    eccentricity: Number = key("Eccentricity.", unit="ratio", source="D: circular", default=0.0, ge=0, lt=0.9)
    phasing: Whole = key(
        "Walker's F: each plane is ahead of the one before by F x 360 / (planes x slots) degrees of mean anomaly; "
        "0 to planes - 1.",
        unit="count",
        source="D: no shift",
        default=0,
        ge=0,
    )
    alternate_half_slot: Flag = key(
        "Shift odd planes by half the spacing of satellites in a plane.", source="D: no shift", default=False
    )
    raan_offset_deg: Number = key(
        "Right ascension of the ascending node of plane 0.",
        unit="degrees",
        source="D",
        default=0.0,
        ge=-360,
        le=360,
    )
    mean_anomaly_offset_deg: Number = key(
        "Mean anomaly of slot 0 of plane 0.", unit="degrees", source="D", default=0.0, ge=-360, le=360
    )
    cross_plane_seam: Flag | None = key(
        "Whether lasers join the last plane to plane 0.",
        source="C: true for delta, false for star, whose last and first plane fly in opposite directions",
        default=None,
    )

    @property
    def grid(self) -> tuple[int, int]:
        return self.planes, self.slots

    @property
    def seam_lit(self) -> bool:
        """Whether lasers join the last plane to the first, with the default resolved."""
        return self.walker == "delta" if self.cross_plane_seam is None else self.cross_plane_seam

    @model_validator(mode="after")
    def _consistent(self) -> "WalkerShell":
        if (self.altitude_km is None) == (self.mean_motion_rev_per_day is None):
            said = "neither" if self.altitude_km is None else "both"
            raise PydanticCustomError(
                "one_of",
                "give exactly one of altitude_km and mean_motion_rev_per_day, found {said}",
                {"said": said},
            )
        if self.phasing >= self.planes:
            context = {"key": "phasing", "most": self.planes - 1, "planes": self.planes}
            raise PydanticCustomError("phasing", "phasing must be 0 to {most} with {planes} planes", context)
        if self.altitude_km is not None:
            perigee_km = (EARTH_RADIUS_KM + self.altitude_km) * (1 - self.eccentricity) - EARTH_RADIUS_KM
            if perigee_km < LOWEST_KM:
                context = {"key": "eccentricity", "perigee_km": round(perigee_km)}
                raise PydanticCustomError("perigee", "the lowest point would be at {perigee_km} km", context)
        return self


class ClusterShell(_ShellBase):
    """Satellites flying in formation around one orbit, a free-fall lattice in the orbital plane.

    Satellite k sits on the k-th nearest point of a square lattice around the centre (sorted by distance, then
    angle). In free fall each point moves on an ellipse twice as long along the track as it is high, so neighbours are
    between one and two `spacing_m` apart. C: 81 lattice points lie within five spacings of the centre, which at 100 m
    gives the published figures of Suncatcher (81 satellites, 1 km radius, 100-200 m apart); the lattice itself is D.
    """

    kind: Literal["cluster"] = key("Kind of the shell: a close formation.")
    satellites: Whole = key("Satellites in the cluster.", unit="count", ge=1, le=1000)
    spacing_m: Number = key(
        "Lattice spacing: the smallest distance between neighbours; the largest is twice that.",
        unit="m",
        source="P: Suncatcher, 100 to 200 m",
        default=100.0,
        gt=0,
        le=10_000,
    )
    altitude_km: Number = key(
        "Mean altitude above a sphere of 6,378.137 km.", unit="km", ge=LOWEST_KM, le=400_000
    )
    inclination_deg: Number = key("Inclination of the common orbit.", unit="degrees", ge=0, le=180)
    ltan_h: Number | None = key(
        "Mean local solar time at the ascending node at the epoch: 18 is a dawn-dusk orbit. Give this or raan_deg.",
        unit="hours",
        default=None,
        ge=0,
        lt=24,
    )
    raan_deg: Number | None = key(
        "Right ascension of the ascending node. Give this or ltan_h.",
        unit="degrees",
        default=None,
        ge=-360,
        le=360,
    )
    mean_anomaly_offset_deg: Number = key(
        "Mean anomaly of the cluster's centre.", unit="degrees", source="D", default=0.0, ge=-360, le=360
    )

    @property
    def grid(self) -> tuple[int, int]:
        return 1, self.satellites

    @model_validator(mode="after")
    def _consistent(self) -> "ClusterShell":
        if (self.ltan_h is None) == (self.raan_deg is None):
            said = "neither" if self.ltan_h is None else "both"
            raise PydanticCustomError(
                "one_of", "give exactly one of ltan_h and raan_deg, found {said}", {"said": said}
            )
        return self


class GeostationaryShell(_ShellBase):
    """Satellites that stand still over the equator."""

    kind: Literal["geostationary"] = key("Kind of the shell: fixed over the equator.")
    longitudes_deg: tuple[Annotated[Number, key("Longitude, east positive.", ge=-180, le=360)], ...] = key(
        "One satellite per longitude, east positive.", unit="degrees", min_length=1, max_length=1000
    )

    @property
    def grid(self) -> tuple[int, int]:
        return 1, len(self.longitudes_deg)


def _kind(value: object) -> str | None:
    kind = value.get("kind", "walker") if isinstance(value, dict) else getattr(value, "kind", "walker")
    return f"<{kind}>" if kind in KINDS else None


Shell = Annotated[
    Annotated[WalkerShell, Tag("<walker>")]
    | Annotated[ClusterShell, Tag("<cluster>")]
    | Annotated[GeostationaryShell, Tag("<geostationary>")],
    Discriminator(
        _kind,
        custom_error_type="choice",
        custom_error_message="unknown kind",
        custom_error_context={"key": "kind", "expected": "walker, cluster or geostationary"},
    ),
]
