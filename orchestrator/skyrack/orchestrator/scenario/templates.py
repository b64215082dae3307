"""Placeholders in what a service is told: {node}, {peers}, {peers:OTHER}. Pure: values in, texts out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

from ..spelling import closest

OWN = ("node", "address", "index", "data", "path", "python", "service", "run")
OF_MEMBERS = ("peers", "others", "first", "count")  # `:OTHER` makes them those of another service
OF_ONE_MEMBER = ("node", "address", "index")  # what `peer` may have


@dataclass(frozen=True, slots=True)
class Member:
    """A node that a service runs on; `index` counts the members of the service, and `text` is its `peer`."""

    node: str
    address: str
    index: int
    text: str


def mistakes(text: str, services: Sequence[str], *, one_member: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, hint) for each placeholder that cannot be filled in."""
    known = OF_ONE_MEMBER if one_member else (*OWN, *OF_MEMBERS)
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        yield f"a brace has no partner in '{_short(text)}'", "write {{ and }} for braces themselves"
        return
    for _, name, other, conversion in parts:
        if name is None:
            continue
        if name not in known or conversion:
            listed = ", ".join(f"{{{word}}}" for word in known)
            hint = f"known are {listed}; write {{{{ and }}}} for braces"
            yield f"unknown placeholder '{{{_short(name)}}}'", closest(name, known) or hint
        elif other and name not in OF_MEMBERS:
            yield f"'{{{name}}}' is of this node alone: no ':{_short(other)}'", f"write {{{name}}}"
        elif other and other not in services:
            hint = f"there are {', '.join(services)}"
            yield f"unknown service '{_short(other)}' in a placeholder", closest(other, services) or hint


def fill(text: str, own: Mapping[str, str], members: Mapping[str, Sequence[Member]]) -> str:
    """Return the text with every placeholder filled in; `own` has the values of OWN, `members` those of each service."""
    filled = []
    for literal, name, other, _ in Formatter().parse(text):
        filled.append(literal)
        if name in OF_MEMBERS:
            filled.append(_of_members(name, members.get(other or own["service"], ()), own["node"]))
        elif name is not None:
            filled.append(own[name])
    return "".join(filled)


def fill_peer(peer: str, node: str, address: str, index: int) -> str:
    """Return how a member is written."""
    return fill(peer, {"node": node, "address": address, "index": str(index)}, {})


def _of_members(name: str, members: Sequence[Member], node: str) -> str:
    if name == "count":
        return str(len(members))
    if name == "first":
        return members[0].text if members else ""
    return ",".join(member.text for member in members if name == "peers" or member.node != node)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
