"""Which nodes let the user in from outside the mesh."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Tag
from pydantic_core import PydanticCustomError

WORDS = ("all", "none")


def _word(value: object) -> object:
    if value not in WORDS:
        message = "expected all, none or a list of nodes on the ground"
        raise PydanticCustomError("entries", message, {"choices": WORDS})
    return value


def _form(value: object) -> str:
    return "<names>" if isinstance(value, list | tuple) else "<word>"


Entries = Annotated[
    Annotated[Literal["all", "none"], BeforeValidator(_word), Tag("<word>")]
    | Annotated[tuple[str, ...], Tag("<names>")],
    Discriminator(_form),
]


def entry_nodes(entries: Entries, on_ground: Sequence[str]) -> list[str]:
    """The nodes that are entries, in node order. `on_ground`: all nodes that are no satellites, in that order."""
    match entries:
        case "all":
            return list(on_ground)
        case "none":
            return []
    return [name for name in on_ground if name in entries]
