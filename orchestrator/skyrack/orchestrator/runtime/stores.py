"""What each node has in custody: whole bundles, those that are on their way to it included. Nodes are indices."""

from __future__ import annotations


class Stores:
    """`used_bytes` and `bundles` by node, for nodes that ever held one; each node takes `limit_bytes` at most."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes: dict[int, int] = {}
        self.bundles: dict[int, int] = {}

    def has_room(self, node: int, size_bytes: int) -> bool:
        """Whether a bundle fits in now."""
        return self.used_bytes.get(node, 0) + size_bytes <= self.limit_bytes

    def take(self, node: int, size_bytes: int) -> bool:
        """Make room for a bundle; False where there is none."""
        if not self.has_room(node, size_bytes):
            return False
        self.used_bytes[node] = self.used_bytes.get(node, 0) + size_bytes
        self.bundles[node] = self.bundles.get(node, 0) + 1
        return True

    def release(self, node: int, size_bytes: int) -> None:
        """A bundle has left."""
        self.used_bytes[node] -= size_bytes
        self.bundles[node] -= 1
        assert self.used_bytes[node] >= 0, "what is released was taken"
