"""Fibre joins two different places that may have it, once; and a point of presence is nothing without it."""

from collections.abc import Iterator

from .finding import Draft, Finding, Path, as_list


def check_fibre(draft: Draft) -> Iterator[Finding]:
    """Yield fibre with a wrong end, fibre laid twice, and points of presence that nothing leads to."""
    joined: dict[frozenset[str], int] = {}
    for index, item in enumerate(as_list(draft.data.get("fibre"))):
        given = item if isinstance(item, dict) else {}
        ends = [given.get("a"), given.get("b")]
        for end, name in zip(("a", "b"), ends, strict=True):
            if isinstance(name, str):
                yield from _end(draft, ("fibre", index, end), name)
        names = [name for name in ends if isinstance(name, str)]
        if len(names) < 2:
            continue
        pair = frozenset(names)
        if len(pair) == 1:
            yield Finding(("fibre", index, "b"), f"fibre from '{names[0]}' to itself")
        elif pair in joined:
            message = f"'{names[0]}' and '{names[1]}' have fibre already, by item {joined[pair] + 1}"
            yield Finding(("fibre", index, "b"), message)
        joined.setdefault(pair, index)
    reached = frozenset(name for pair in joined if len(pair) == 2 for name in pair)
    for index, name in enumerate(draft.pops):
        if name and name not in reached:
            message = f"'{name}' has no fibre, and a point of presence has no radio"
            yield Finding(("pops", index), message, f"fibre: [{{a: {name}, b: <a ground station>}}]")


def _end(draft: Draft, path: Path, name: str) -> Iterator[Finding]:
    if name in draft.ground or name in draft.pops:
        return
    if name in draft.users:
        message = f"'{name}' is a user terminal: fibre joins ground stations and points of presence"
        yield Finding(path, message, "a terminal has its radio only")
    elif name in (draft.satellites or ()):
        message = f"'{name}' is a satellite: fibre joins ground stations and points of presence"
        yield Finding(path, message)
    elif draft.is_unknown(name):
        yield Finding(path, f"unknown node '{name}'", draft.nearest(name))
