"""What breaks when: faults on a timetable, and campaigns that draw them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    BeforeValidator,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from skyrack.orchestrator.faults.campaign import Campaign as CampaignDraw
from skyrack.orchestrator.faults.kinds import KINDS
from skyrack.orchestrator.faults.plan import Timetable
from skyrack.orchestrator.faults.request import LONGEST_S

from ..names import NAME_PATTERN
from .base import Flag, Number, Section, Whole, choice, key

_UNITS = {"span": "s", "rate": "bit/s", "ratio": "ratio", "whole": "count", "factor": "ratio"}


def _kind(value: object) -> object:
    if value not in KINDS:
        raise choice(value, tuple(KINDS))
    return value


KindName = Annotated[str, BeforeValidator(_kind), WithJsonSchema({"enum": list(KINDS), "type": "string"})]
Words = tuple[Annotated[str, key("A word.", min_length=1)], ...]


def _parameters() -> Iterator[tuple[str, Any]]:
    """A field for each parameter of a kind, by its key."""
    for kind in KINDS.values():
        for parameter in kind.parameters:
            text = f"Of {kind.name}: {parameter.text}."
            source = "D: drawn by the seed" if parameter.drawn else f"D: {parameter.default}"
            field = key(
                text,
                unit=_UNITS[parameter.sort],
                source="" if parameter.needed else source,
                default=None,
                le=parameter.most,
                **{"ge" if parameter.inclusive else "gt": parameter.above},
            )
            yield parameter.key, (Number | None, field)


class _Broken(Section):
    kind: KindName = key("Which kind of fault: `skyrack fault kinds` lists them.")
    one_way: Flag = key(
        "Of partition: what goes back is not lost.", source="D: both ways are lost", default=False
    )

    def entry(self) -> dict[str, Any]:
        """As a request over the API has it."""
        given = self.model_dump(mode="json", exclude_none=True)
        return {name: value for name, value in given.items() if value not in ([], False)}


class _Scheduled(_Broken):
    """One fault at one time. What it acts on: `links`, `nodes` and `planes` together, or `parts`."""

    at_s: Number = key("When it begins, in seconds from the start of the run.", unit="s", ge=0, le=LONGEST_S)
    for_s: Number | None = key(
        "How long it lasts.",
        unit="s",
        source="D: as its kind says, for most until somebody ends it",
        default=None,
        gt=0,
        le=LONGEST_S,
    )
    links: Words = key("Links as A-B, or A>B for one direction.", source="D: none", default=())
    nodes: Words = key(
        "Names of nodes, NODE/SERVICE where the kind acts on what runs there, or selectors such as region:europe.",
        source="D: none",
        default=(),
    )
    planes: Words = key("Orbital planes such as p3.", source="D: none", default=())
    to: Words = key("Of partition: the other side, as nodes.", source="D: everybody else", default=())
    parts: Words = key("Parts of the run: broker, fabric, orchestrator.", source="D: none", default=())
    cause: str = key("Who wants it, for events and reports.", source="D", default="scenario", max_length=200)


class _Drawn(_Broken):
    """A kind of fault that a campaign draws, with its parameters."""

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value


if TYPE_CHECKING:
    ScheduledFault = _Scheduled
    CampaignKind = _Drawn
else:
    ScheduledFault = create_model(
        "ScheduledFault", __base__=_Scheduled, __doc__=_Scheduled.__doc__, **dict(_parameters())
    )
    CampaignKind = create_model(
        "CampaignKind", __base__=_Drawn, __doc__=_Drawn.__doc__, **dict(_parameters())
    )


class Campaign(Section):
    """Faults drawn at random before the run, as a function of the seed and the campaign's name."""

    name: str = key("Its name, on which its draws depend.", pattern=NAME_PATTERN)
    kinds: tuple[CampaignKind, ...] = key(
        "Kinds of faults, each as likely: names, or mappings with parameters, as {kind: latency, extra_s: 0.2}.",
        min_length=1,
    )
    on: Words = key(
        "What they act on: one of all that these words select is drawn for each. Nodes and selectors; links; parts of the run.",
        min_length=1,
    )
    every_s: Number = key(
        "Mean time from one beginning to the next; the gaps are exponential.", unit="s", gt=0, le=LONGEST_S
    )
    for_s: tuple[Number, Number] = key(
        "Least and most that each lasts, uniform between.", unit="s", source="D", default=(5.0, 15.0)
    )
    from_s: Number = key(
        "When it begins, in seconds from the start of the run.",
        unit="s",
        source="D",
        default=0.0,
        ge=0,
        le=LONGEST_S,
    )
    until_s: Number = key("When the last of its faults may begin.", unit="s", gt=0, le=LONGEST_S)
    most_at_once: Whole | None = key(
        "Most that act at the same time; more are left out.",
        unit="count",
        source="D: any number",
        default=None,
        ge=1,
    )

    @field_validator("for_s", mode="after")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 < value[0] <= value[1] <= LONGEST_S:
            raise PydanticCustomError(
                "one_of", "for_s: expected [least, most], above 0 and in this order", {"hint": "[2, 5]"}
            )
        return value

    @field_validator("until_s", mode="after")
    @classmethod
    def _not_before(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("from_s", 0.0):
            raise PydanticCustomError("one_of", "until_s: the campaign ends before it begins")
        return value

    def draw(self) -> CampaignDraw:
        """As the engine has it."""
        return CampaignDraw(
            self.name,
            [kind.entry() for kind in self.kinds],
            self.on,
            self.every_s,
            self.for_s,
            self.from_s,
            self.until_s,
            self.most_at_once,
        )


class Faults(Section):
    """What is broken on purpose, decided before the run: see `skyrack plan`."""

    schedule: tuple[ScheduledFault, ...] = key("Faults at given times.", source="D: none", default=())
    campaigns: tuple[Campaign, ...] = key("Faults drawn at random.", source="D: none", default=())

    def timetable(self) -> Timetable:
        """As the engine has it."""
        return Timetable(
            [fault.entry() for fault in self.schedule], [campaign.draw() for campaign in self.campaigns]
        )
