"""Who lets users in stands on the ground."""

from collections.abc import Iterator

from .finding import Draft, Finding, as_list


def check_entries(draft: Draft) -> Iterator[Finding]:
    """Yield names that are unknown, listed twice, or of satellites."""
    seen: set[str] = set()
    for index, name in enumerate(as_list(draft.data.get("entries"))):
        path = ("entries", index)
        if not isinstance(name, str):
            continue
        if name in seen:
            yield Finding(path, f"'{name}' is listed twice")
        elif name in (draft.satellites or ()):
            message = f"'{name}' is a satellite: one comes in from outside through nodes on the ground"
            yield Finding(path, message, "name a ground station, point of presence or user terminal")
        elif draft.is_unknown(name):
            yield Finding(path, f"unknown node '{name}'", draft.nearest(name))
        seen.add(name)
