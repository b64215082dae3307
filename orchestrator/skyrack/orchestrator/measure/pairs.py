"""Which nodes talk to which: `random`, `all`, or a list of `a>b`. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

_RANDOM_PAIRS = 12


class PairError(ValueError):
    """A pair that does not exist; the message says which and what to write instead."""


def choose(wanted: str | Sequence[str], nodes: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Ordered pairs of `nodes` (those with a process). Raises PairError.

    `random`: up to twelve different ones, drawn from (seed, "pairs"). `all`: every ordered pair.
    """
    every = [(a, b) for a in nodes for b in nodes if a != b]
    if not every:
        raise PairError(f"a pair needs two nodes with a process, there is {len(nodes)}")
    if wanted == "all":
        return every
    if wanted == "random":
        return random.Random(f"{seed}/pairs").sample(every, min(_RANDOM_PAIRS, len(every)))
    texts = [wanted] if isinstance(wanted, str) else list(wanted)
    known = set(nodes)
    pairs = []
    for text in texts:
        a, _, b = (part.strip() for part in text.partition(">"))
        if not a or not b or a == b:
            raise PairError(f"pair {text!r}: expected two different nodes as a>b")
        if missing := [name for name in (a, b) if name not in known]:
            raise PairError(f"pair {text!r}: no process named {', '.join(missing)}")
        pairs.append((a, b))
    return pairs
