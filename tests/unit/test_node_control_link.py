"""How long a node waits before it joins again."""

import random
from itertools import islice

from skyrack.node.control_link import FIRST_BACKOFF_S, LAST_BACKOFF_S, backoff_s


def test_waits_double_up_to_the_limit_and_are_spread() -> None:
    waits = list(islice(backoff_s(random.Random(1)), 12))
    ceilings = [min(FIRST_BACKOFF_S * 2**k, LAST_BACKOFF_S) for k in range(12)]
    assert all(ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True))


def test_one_seed_gives_one_sequence() -> None:
    first, second = (list(islice(backoff_s(random.Random("7, join, a")), 5)) for _ in range(2))
    assert first == second
