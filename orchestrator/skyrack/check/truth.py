"""JSON's true and false among the values of operations. Python's are equal to 1 and 0, which in a history are other values.

Numbers are compared as numbers, as JSON has them: 1 and 1.0 are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import Enum
from typing import Any


class Truth(Enum):
    """What stands for them: equal to itself alone."""

    TRUE = True
    FALSE = False

    def __repr__(self) -> str:
        return repr(self.value)


_MAY_HOLD = {bool, list, tuple, dict, set, frozenset}


def told_apart(value: Any) -> Any:
    """`value` of JSON, or sets by hand, with a Truth in place of each bool; the very `value` where it has none."""
    if isinstance(value, bool):
        return Truth(value)
    if isinstance(value, Mapping):
        return {key: told_apart(item) for key, item in value.items()} if _may_hold(value.values()) else value
    if isinstance(value, list | tuple | Set) and _may_hold(value):
        made: Any = type(value)
        return made(map(told_apart, value))
    return value


def _may_hold(items: Any) -> bool:
    return not _MAY_HOLD.isdisjoint(map(type, items))
