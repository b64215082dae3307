"""Sets of bytes are what sets of integers would be."""

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.storage.ranges import Ranges

_SPAN = st.tuples(st.integers(0, 40), st.integers(0, 40))
_STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "cut"]), _SPAN), max_size=20)


def _bytes(ranges: Ranges) -> set[int]:
    return {byte for span in ranges for byte in range(*span)}


def _run(steps: list[tuple[str, tuple[int, int]]]) -> tuple[Ranges, set[int]]:
    ranges, expected = Ranges(), set[int]()
    do: dict[str, Callable[[int, int], set[int]]] = {
        "add": lambda a, b: expected | set(range(a, b)),
        "remove": lambda a, b: expected - set(range(a, b)),
        "cut": lambda a, b: {byte for byte in expected if byte < a},
    }
    for name, (start, end) in steps:
        expected = do[name](start, end)
        ranges.cut(start) if name == "cut" else getattr(ranges, name)(start, end)
    return ranges, expected


@given(_STEPS, _SPAN)
def test_spans_say_which_bytes_are_in_and_which_are_not(
    steps: list[tuple[str, tuple[int, int]]], asked: tuple[int, int]
) -> None:
    ranges, expected = _run(steps)
    assert _bytes(ranges) == expected
    spans = list(ranges)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans)), "spans touch"
    missing = {byte for span in ranges.missing(*asked) for byte in range(*span)}
    assert missing == set(range(*asked)) - expected


@given(_STEPS, _STEPS)
def test_what_two_have_in_common(
    one: list[tuple[str, tuple[int, int]]], other: list[tuple[str, tuple[int, int]]]
) -> None:
    (first, expected_first), (second, expected_second) = _run(one), _run(other)
    assert _bytes(first.common(second)) == expected_first & expected_second
