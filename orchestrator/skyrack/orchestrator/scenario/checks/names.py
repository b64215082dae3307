"""Every name that refers to a node means one node, and the right kind of node."""

from collections.abc import Iterator
from typing import Any

from ..model.workloads import STORE_KINDS
from .finding import Draft, Finding, Path, as_list


def check_names(draft: Draft) -> Iterator[Finding]:
    """Yield names that are unknown, taken twice, or of a node that cannot do what is asked."""
    yield from _ground(draft)
    yield from _inhabited(draft)
    links = draft.data.get("links")
    for index, extra in enumerate(as_list(links.get("extra_delay") if isinstance(links, dict) else None)):
        yield from _extra_delay(draft, ("links", "extra_delay", index), extra)
    for index, workload in enumerate(as_list(draft.data.get("workloads"))):
        for number, pair in enumerate(as_list(workload.get("pairs") if isinstance(workload, dict) else None)):
            yield from _pair(draft, ("workloads", index, "pairs", number), pair)
        yield from _workload(draft, ("workloads", index), workload if isinstance(workload, dict) else {})


def _ground(draft: Draft) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for section, names, kind in (
        ("ground", draft.ground, "ground station"),
        ("pops", draft.pops, "point of presence"),
        ("users", draft.users, "user terminal"),
    ):
        for index, name in enumerate(names):
            if name and (name in seen or name in (draft.satellites or ())):
                article = "another" if seen.get(name) == kind else "a"
                what = f"{article} {seen.get(name, 'satellite')}"
                yield Finding((section, index, "name"), f"'{name}' is already the name of {what}")
            seen.setdefault(name, kind)


def _inhabited(draft: Draft) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, name in enumerate(as_list(draft.data.get("inhabited"))):
        path = ("inhabited", index)
        if not isinstance(name, str):
            continue
        if name in seen:
            yield Finding(path, f"'{name}' is listed twice")
        elif name in draft.ground:
            yield Finding(path, f"'{name}' is a ground station: those always have a process", "leave it out")
        elif name in draft.pops or name in draft.users:
            kind = "point of presence" if name in draft.pops else "user terminal"
            yield Finding(path, f"'{name}' is a {kind}: those always have a process", "leave it out")
        elif draft.is_unknown(name):
            yield Finding(path, f"unknown satellite '{name}'", draft.nearest(name))
        seen.add(name)


def _workload(draft: Draft, path: Path, workload: dict[str, Any]) -> Iterator[Finding]:
    """Of a workload against a service: the service is there, and so are the nodes that ask, and its options are right."""
    service = workload.get("service")
    if isinstance(service, str):
        items = [item for item in as_list(draft.data.get("services")) if isinstance(item, dict)]
        names = [item["name"] for item in items if isinstance(item.get("name"), str)]
        if service not in names:
            known = f"services are {', '.join(names)}" if names else "there are no services"
            yield Finding((*path, "service"), f"unknown service '{service}'", known)
    for number, name in enumerate(as_list(workload.get("at"))):
        if isinstance(name, str) and draft.is_unknown(name):
            yield Finding((*path, "at", number), f"unknown node '{name}'", draft.nearest(name))
    kind, options = workload.get("kind"), workload.get("options")
    if kind in STORE_KINDS and isinstance(options, dict):
        from skyrack.workloads import OptionError, find_workload

        try:
            find_workload(kind).of(options)
        except OptionError as error:
            yield Finding((*path, "options", error.option), str(error))


def _extra_delay(draft: Draft, path: Path, extra: Any) -> Iterator[Finding]:
    ends = {
        end: extra[end] for end in ("a", "b") if isinstance(extra, dict) and isinstance(extra.get(end), str)
    }
    for end, name in ends.items():
        if draft.is_unknown(name):
            yield Finding((*path, end), f"unknown node '{name}'", draft.nearest(name))
    if len(ends) == 2 and ends["a"] == ends["b"]:
        yield Finding((*path, "b"), f"'{ends['a']}' is not linked to itself")


def _pair(draft: Draft, path: Path, pair: Any) -> Iterator[Finding]:
    ends = [end.strip() for end in pair.split(">")] if isinstance(pair, str) else []
    if len(ends) != 2:
        return
    if ends[0] == ends[1]:
        yield Finding(path, f"'{pair}' joins a node to itself")
    listed = draft.data.get("inhabited")
    for end in dict.fromkeys(ends):
        if draft.is_unknown(end):
            yield Finding(path, f"unknown node '{end}'", draft.nearest(end))
        elif isinstance(listed, list) and end in (draft.satellites or ()) and end not in listed:
            yield Finding(path, f"'{end}' has no process", "add it to inhabited")
