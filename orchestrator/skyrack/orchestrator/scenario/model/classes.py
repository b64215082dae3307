"""Two classes of traffic on every link."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from .base import Number, Section, Whole, key

COMPUTE_SHARE = 0.5


class Classes(Section):
    """Compute and best effort: each waits in a queue of its own, of `links.queue_bytes`, on every link."""

    scheduling: Literal["strict", "weighted"] = key(
        "Who is sent first where both wait: always compute (strict), or each its share of the rate (weighted). What one "
        "class leaves the other uses.",
        source="D: nobody starves",
        default="weighted",
    )
    compute_share: Number | None = key(
        "Share of each link's rate for compute while both wait; with weighted only.",
        unit="ratio",
        source="D: half, with weighted",
        default=None,
        gt=0,
        lt=1,
    )
    dscp: tuple[Annotated[Whole, Field(ge=0, le=63)], ...] = key(
        "Packets with one of these code points (upper six bits of the TOS byte) are compute; all others are best effort.",
        unit="code points",
        source="D: 10, AF11, high-throughput data (RFC 4594)",
        default=(10,),
    )

    @field_validator("compute_share", mode="before")
    @classmethod
    def _by_scheduling(cls, value: Any, info: ValidationInfo) -> Any:
        weighted = info.data.get("scheduling", "weighted") == "weighted"
        if value is not None and not weighted:
            raise PydanticCustomError("share", "strict gives no share: compute is always first")
        return COMPUTE_SHARE if value is None and weighted else value

    @field_validator("dscp")
    @classmethod
    def _once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        twice = sorted({point for point in value if value.count(point) > 1})
        if twice:
            raise PydanticCustomError("dscp", "{point} is listed twice", {"point": twice[0]})
        return value
