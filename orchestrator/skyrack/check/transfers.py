"""Which transfers to try next: those that lead to what some read saw.

Transfers commute, so of an order of the rest only the next read counts and which transfers come before it. These make the
difference between the balances now and those that the read saw; of transfers that make it, and others beside that sum up to
nothing, the others can as well come behind the read. What is needed is every smallest way to make a difference:

    take an account that is wrong, one of the transfers that bring it nearer, and see whether the rest can be made right

If accounts might run dry, the order of transfers counts as well, and all are tried.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skyrack.check.call import Call
from skyrack.check.model import CUT, Choice, Cut

Balances = tuple[tuple[str, int], ...]
_MOST_STEPS = 3_000  # of the look for all ways to one read
_URGENT_BEHIND = 2  # the urgent transfer is tried behind ways of so many to some read


@dataclass(slots=True)
class _Look:
    """What is left of one look for ways, and whether it was ended by that."""

    steps: int = _MOST_STEPS
    cut: bool = False


def transfers_to_try(
    state: Balances, urgent: Call, waiting: Sequence[Call], able: Sequence[Choice]
) -> Iterator[Choice | Cut]:
    """Of `able`, what may come next if `urgent` is to be placed, and `waiting` do not fit the balances.

    Yields CUT where not all ways could be looked at. Nothing, if `urgent` is a read that cannot be reached.
    """
    by_end = sorted(able, key=lambda choice: choice.call.end_s)
    if any(call.f == "transfer" for call in waiting):
        yield from by_end  # it waits for somebody's money
        return
    out: defaultdict[str, list[Choice]] = defaultdict(list)
    into: defaultdict[str, list[Choice]] = defaultdict(list)
    for choice in able:
        move = choice.call.operation.value
        out[move["from"]].append(choice)
        into[move["to"]].append(choice)
    for of_account in (*out.values(), *into.values()):
        of_account.sort(key=lambda choice: choice.call.end_s)
    reads = sorted(waiting, key=lambda call: (_distance(state, call), call.end_s))
    missing = [(_missing(state, read), _Look()) for read in reads]
    if urgent.f == "read":
        look = _Look()
        if not _reachable(_missing(state, urgent), out, into, len(able), look):
            if look.cut:
                yield CUT
            return
    tried: set[Any] = set()

    def new(choices: Iterable[Choice]) -> Iterator[Choice]:
        for choice in choices:
            if choice.call.alike not in tried:
                tried.add(choice.call.alike)
                yield choice

    for size in range(1, len(able) + 1):
        for to_read, look in missing:
            for way in _of_size(to_read, out, into, size, frozenset(), look):
                yield from new(sorted(way, key=lambda choice: choice.call.end_s))
        if size == _URGENT_BEHIND or size == len(able):
            yield from new(choice for choice in able if choice.call is urgent)
    if _may_run_dry(state, out):
        yield from new(by_end)
    elif any(look.cut for _, look in missing):
        yield CUT


def _distance(state: Balances, read: Call) -> int:
    return sum(abs(mine[1] - seen[1]) for mine, seen in zip(state, read.result, strict=False))


def _missing(state: Balances, read: Call) -> dict[str, int]:
    missing = dict(read.result)
    for account, balance in state:
        missing[account] = missing.get(account, 0) - balance
    return {account: by for account, by in missing.items() if by}


def _reachable(
    missing: dict[str, int],
    out: dict[str, list[Choice]],
    into: dict[str, list[Choice]],
    largest: int,
    look: _Look,
) -> bool:
    return any(
        True for size in range(1, largest + 1) for _ in _of_size(missing, out, into, size, frozenset(), look)
    )


def _of_size(
    missing: dict[str, int],
    out: dict[str, list[Choice]],
    into: dict[str, list[Choice]],
    size: int,
    used: frozenset[int],
    look: _Look,
) -> Iterator[list[Choice]]:
    """Ways of exactly `size` transfers."""
    if not missing:
        if size == 0:
            yield []
        return
    if look.cut or len(missing) > 2 * size:
        return
    account = min(
        missing, key=lambda name: len((into if missing[name] > 0 else out).get(name, ())), default=""
    )
    seen: set[Any] = set()
    for choice in (into if missing[account] > 0 else out).get(account, ()):
        alike = choice.call.alike
        if choice.place in used or alike in seen:
            continue
        seen.add(alike)
        look.steps -= 1
        if look.steps < 0:
            look.cut = True
            return
        move = choice.call.operation.value
        left = dict(missing)
        for name, by in ((move["from"], move["amount"]), (move["to"], -move["amount"])):
            left[name] = left.get(name, 0) + by
            if not left[name]:
                del left[name]
        for way in _of_size(left, out, into, size - 1, used | {choice.place}, look):
            yield [choice, *way]


def _may_run_dry(state: Balances, out: dict[str, list[Choice]]) -> bool:
    """Whether some order of the transfers might take more from an account than it has."""
    balances = dict(state)
    return any(
        sum(choice.call.operation.value["amount"] for choice in choices) > balances.get(account, 0)
        for account, choices in out.items()
    )
