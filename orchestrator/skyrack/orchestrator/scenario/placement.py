"""Which nodes a service runs on."""

from collections.abc import Iterable

from .model.services import Service

_KINDS = {"satellites": "satellite", "ground": "ground", "users": "user", "pops": "pop"}


def placed(service: Service, inhabited: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of a service's nodes, in the order of its members; `inhabited` are (name, kind) in node order."""
    if service.named_nodes:
        return list(service.named_nodes)
    kind = _KINDS.get(str(service.nodes))
    return [name for name, its_kind in inhabited if kind is None or its_kind == kind]
