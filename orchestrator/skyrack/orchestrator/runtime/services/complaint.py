"""What pydantic says of a service that somebody asks for, with where in it that is."""

from __future__ import annotations

from collections.abc import Sequence


def complaint(place: Sequence[str | int], message: str) -> str:
    """`place`: keys and indexes down to it; those of alternatives are left out."""
    where = ".".join(str(step) for step in place if not str(step).startswith("<"))
    return f"{where}: {message}" if where else message
