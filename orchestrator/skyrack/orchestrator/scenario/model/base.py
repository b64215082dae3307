"""What all sections share: strictness, number types, and keys that carry their unit and source."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict
from pydantic_core import PydanticCustomError

EARLIEST_YEAR, LATEST_YEAR = 1957, 2100  # Sputnik 1; beyond, precession and SGP4 mean little


class Section(BaseModel):
    """A mapping of a scenario: unknown keys are errors, values cannot change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def key(text: str, *, unit: str = "", source: str = "", **field: Any) -> Any:
    """Return a pydantic field whose description, unit and source reach the JSON schema and the documentation.

    `source` begins with the tag of where a default comes from: P published, C computed, D chosen by us.
    """
    source = "D: chosen default" if source == "D" else source
    description = text if not unit else f"{text} Unit: {unit}."
    if source:
        description += f" Default: {source}."
    extra = {"x-unit": unit, "x-source": source}
    return Field(description=description, json_schema_extra={k: v for k, v in extra.items() if v}, **field)


def _utc(value: object) -> object:
    if isinstance(value, datetime):
        time = value
    elif isinstance(value, str):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise _not_a_time(value) from None
    else:
        raise _not_a_time(value)
    if time.tzinfo is None:
        hint = f"write {time.isoformat()}Z"
        raise PydanticCustomError("time", "expected a UTC time: this has no time zone", {"hint": hint})
    try:
        time = time.astimezone(UTC)
    except OverflowError:
        raise _not_a_time(value) from None
    if not EARLIEST_YEAR <= time.year <= LATEST_YEAR:
        message = f"expected a time between {EARLIEST_YEAR} and {LATEST_YEAR}"
        raise PydanticCustomError("time", message)
    return time


def _not_a_time(value: object) -> PydanticCustomError:
    return PydanticCustomError("time", "expected a UTC time such as 2026-01-01T00:00:00Z")


def iso(time: datetime) -> str:
    """Return 2026-01-01T00:00:00Z for a UTC time."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


Number = Annotated[float, Strict()]  # takes whole numbers too, but no text and no true or false
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Time = Annotated[
    datetime, BeforeValidator(_utc, json_schema_input_type=datetime), PlainSerializer(iso, when_used="json")
]


def choice(word: object, choices: tuple[str, ...]) -> PydanticCustomError:
    """Return the error for a word outside its choices; the reporter adds what may have been meant."""
    listed = ", ".join(choices[:-1]) + (" or " if len(choices) > 1 else "") + choices[-1]
    return PydanticCustomError("choice", "expected {listed}", {"listed": listed, "choices": choices})
