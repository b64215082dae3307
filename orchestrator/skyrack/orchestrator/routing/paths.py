"""The path in force: what the routes of an epoch do with a packet."""

from __future__ import annotations

from skyrack.orchestrator.routing.trees import walk
from skyrack.orchestrator.topology.epoch import Epoch


def path_of(epoch: Epoch, a: int, b: int) -> list[int] | None:
    """The nodes a packet from `a` to `b` passes in this epoch, both included; None when there is no way.

    A bare satellite has no tree of its own: towards one, the way it would answer `a` is taken backwards. Raises
    ValueError when neither end has a tree.
    """
    if a == b:
        return [a]
    row = epoch.row_of(b)
    if row is not None:
        return walk(epoch.next_hop[row], a, b)
    row = epoch.row_of(a)
    if row is None:
        raise ValueError(f"neither node {a} nor node {b} is inhabited: no routes in force join them")
    answer = walk(epoch.next_hop[row], b, a)
    return answer[::-1] if answer is not None else None
