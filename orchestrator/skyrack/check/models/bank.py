"""Banks: amounts go from account to account, and reads see all accounts at one instant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from skyrack.check.bank_checks import bank_checks
from skyrack.check.call import Call
from skyrack.check.judgement import Judgement
from skyrack.check.model import ILLEGAL, Choice, Cut, Illegal, OptionsError
from skyrack.check.report import Check
from skyrack.check.transfers import transfers_to_try
from skyrack.history import Operation

Balances = tuple[tuple[str, int], ...]


class Bank:
    """State: accounts with their balances, by name. The history's options say what there was at first."""

    name = "bank"
    functions = frozenset({"transfer", "read"})
    per_key = False

    def initial(self, options: Mapping[str, Any]) -> Balances:
        """`balances`, an object; or `accounts`, a list, of which each has the same share of `total`."""
        return tuple(sorted(opened(options).items()))

    def seen(self, result: Any) -> Any:
        """See Model."""
        return tuple(sorted(result.items()))

    def step(self, state: Balances, call: Call) -> Balances | Illegal:
        """See Model."""
        if call.f == "read":
            return state if call.result == state else ILLEGAL
        move = call.operation.value
        balances = dict(state)
        amount = move["amount"]
        if balances.get(move["from"], 0) < amount:
            return ILLEGAL if call.required else state
        balances[move["from"]] -= amount
        balances[move["to"]] = balances.get(move["to"], 0) + amount
        return tuple(sorted(balances.items()))

    def weight(self, state: Balances) -> int:
        """See Model."""
        return 1 + len(state) // 4

    def distance(self, state: Balances, call: Call) -> float:
        """See Model: how much is on other accounts than the read saw."""
        if call.f != "read":
            return 0.0
        return float(sum(abs(mine[1] - seen[1]) for mine, seen in zip(state, call.result, strict=False)))

    def to_try(
        self, state: Balances, urgent: Call, waiting: Sequence[Call], able: Sequence[Choice]
    ) -> Iterator[Choice | Cut]:
        """See Guided."""
        return transfers_to_try(state, urgent, waiting, able)

    def answer(self, state: Balances, call: Call) -> Any:
        """See Model."""
        return state

    def told(self, answer: Any) -> Any:
        """See Model."""
        return dict(answer)

    def candidates(self, initial: Any, calls: Sequence[Call]) -> list[Any]:
        """See Model: none, as there is no shortcut to try them with."""
        return []

    def needed(self, calls: Sequence[Call]) -> list[Call]:
        """See Model: every transfer may have been seen."""
        return list(calls)

    def shortcut(self, initial: Any, calls: Sequence[Call]) -> Judgement | None:
        """See Model: none."""
        return None

    def checks(self, operations: Sequence[Operation], options: Mapping[str, Any]) -> list[Check]:
        """The total of every read, no balance below zero, no acknowledged transfer lost."""
        return bank_checks(operations, opened(options))


def opened(options: Mapping[str, Any]) -> dict[str, int]:
    """What is on each account at first. Raises OptionsError."""
    if isinstance(options.get("balances"), Mapping):
        return dict(options["balances"])
    accounts, total = options.get("accounts"), options.get("total")
    if not isinstance(accounts, list | tuple) or not accounts or not isinstance(total, int):
        raise OptionsError(
            'a bank needs the options "accounts", a list, and "total"; or "balances", an object'
        )
    if total % len(accounts):
        raise OptionsError(f'a total of {total} in {len(accounts)} equal shares: say "balances" instead')
    return dict.fromkeys(accounts, total // len(accounts))


BANK = Bank()
