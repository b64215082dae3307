"""Which nodes' packets to which nodes are lost, whichever way they would go: packed for the message, and asked per packet.

cuts    groups u2[n_nodes]               nodes that are cut off from the same others are in one group
        rows   bits[n_groups][n_nodes]   whom each group is cut off from; a row begins at a whole byte
sides   bits[2][n_nodes] for each        who is on the one side, and on the other
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Sides: TypeAlias = tuple[Collection[int], Collection[int]]  # nodes that send, nodes that do not hear them
Flags = NDArray[np.bool_]


class Cuts:
    """As `pack` has it."""

    __slots__ = ("_flags", "_group_of", "_groups", "_rows")

    def __init__(self, packed: bytes, n_nodes: int) -> None:
        self._group_of = np.frombuffer(packed, "u2", n_nodes)
        self._flags = _unpack(packed[self._group_of.nbytes :], n_nodes)
        # As the packets want it: two look-ups, 50 ns.
        self._groups: list[int] = self._group_of.tolist()
        self._rows: list[bytes] = [row.tobytes() for row in self._flags]

    def part(self, src: int, dst: int) -> bool:
        """Whether what `src` sends to `dst` is lost."""
        return self._rows[self._groups[src]][dst] != 0

    def ways(self, sides: NDArray[np.uint8]) -> list[int]:
        """Of (n, 2, n_nodes) sides how many of the ways from a node of the first to one of the second are cut."""
        found = []
        for sources, targets in sides:
            members = np.bincount(self._group_of[sources != 0], minlength=len(self._flags))
            found.append(int(members @ self._flags[:, targets != 0].sum(axis=1, dtype=np.int64)))
        return found


def pack(cuts: Iterable[Sides], n_nodes: int) -> bytes:
    """What `Cuts` reads; empty where nobody is cut off."""
    sides = _flags_of(cuts, n_nodes)
    if not len(sides):
        return b""
    # Columns of the senders: in which cuts a node is one.
    groups, group_of = np.unique(sides[:, 0], axis=1, return_inverse=True)
    rows = (groups.T.astype(np.int64) @ sides[:, 1].astype(np.int64)) > 0
    return group_of.reshape(-1).astype("u2").tobytes() + np.packbits(rows, axis=1).tobytes()


def pack_sides(sides: Sequence[Sides], n_nodes: int) -> bytes:
    """What `unpack_sides` reads."""
    return np.packbits(_flags_of(sides, n_nodes), axis=2).tobytes()


def unpack_sides(packed: bytes, n_nodes: int) -> NDArray[np.uint8]:
    """(n, 2, n_nodes), 1 for who is there."""
    return _unpack(packed, n_nodes).reshape(-1, 2, n_nodes)


def side_bytes(n_nodes: int) -> int:
    """How many bytes two sides have when packed."""
    return 2 * _row_bytes(n_nodes)


def _unpack(packed: bytes, n_nodes: int) -> NDArray[np.uint8]:
    rows = np.frombuffer(packed, "u1").reshape(-1, _row_bytes(n_nodes))
    return np.unpackbits(rows, axis=1, count=n_nodes)


def _row_bytes(n_nodes: int) -> int:
    return -(-n_nodes // 8)


def _flags_of(sides: Iterable[Sides], n_nodes: int) -> Flags:
    every = [(list(sources), list(targets)) for sources, targets in sides]
    flags = np.zeros((len(every), 2, n_nodes), dtype=np.bool_)
    for number, two in enumerate(every):
        for side, nodes in enumerate(two):
            flags[number, side, nodes] = True
    return flags
