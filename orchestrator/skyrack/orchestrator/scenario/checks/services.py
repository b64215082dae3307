"""Services have names of their own, nodes with a process, and placeholders that can be filled in."""

from collections.abc import Iterator
from typing import Any

from ..model.services import GROUPS
from ..templates import mistakes
from .finding import Draft, Finding, Path, as_list

KIND_SECTIONS = {"ground": "ground", "users": "users", "pops": "pops"}


def check_services(draft: Draft) -> Iterator[Finding]:
    """Yield names taken twice, nodes that cannot run a service, and placeholders that mean nothing."""
    items = [item if isinstance(item, dict) else {} for item in as_list(draft.data.get("services"))]
    names = [item["name"] if isinstance(item.get("name"), str) else "" for item in items]
    for index, (item, name) in enumerate(zip(items, names, strict=True)):
        if name and name in names[:index]:
            yield Finding(("services", index, "name"), f"'{name}' is already the name of another service")
        yield from _nodes(draft, ("services", index, "nodes"), item.get("nodes"))
    if "services" in draft.bad:
        return
    for index, service in enumerate(draft.scenario.services):
        for place, text in service.texts():
            for message, hint in mistakes(text, names, one_member=place == ("peer",)):
                yield Finding(("services", index, *place), message, hint)
            if "{path}" in text.replace("{{", "") and not service.path:
                hint = "path: [.] is the directory of the scenario file"
                yield Finding(("services", index, *place), "{path} of a service that has no path", hint)


def _nodes(draft: Draft, path: Path, nodes: Any) -> Iterator[Finding]:
    if isinstance(nodes, str):
        section = KIND_SECTIONS.get(nodes)
        if section is not None and not getattr(draft, section):
            yield Finding(path, f"there are no {nodes} to run it on", f"groups are {', '.join(GROUPS)}")
        return
    seen: set[str] = set()
    for index, name in enumerate(as_list(nodes)):
        if not isinstance(name, str):
            continue
        place = (*path, index)
        if name in seen:
            yield Finding(place, f"'{name}' is listed twice")
        elif draft.is_unknown(name):
            yield Finding(place, f"unknown node '{name}'", draft.nearest(name))
        seen.add(name)
