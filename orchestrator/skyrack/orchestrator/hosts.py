"""What /etc/hosts of every node says."""

from __future__ import annotations

from collections.abc import Iterable

from skyrack.v1.guest_environment import GUEST_ADDRESS, GUEST_NAME


def hosts_file(nodes: Iterable[tuple[str, str]]) -> str:
    """The text, from the address and the name of every node, inhabited or bare."""
    entries = [("127.0.0.1", "localhost"), (GUEST_ADDRESS, GUEST_NAME), *nodes]
    return "".join(f"{address} {name}\n" for address, name in entries)
