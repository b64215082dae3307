"""Histories for checkers: written as tables, drawn at random, or recorded from a simulated object that is right; and an oracle.

The sequential objects here are written a second time on purpose: nothing of skyrack.check is used.
"""

import heapq
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from skyrack.history import Operation, Outcome

ACCOUNTS = ("a", "b", "c")
EACH = 10
Applied = tuple[Any, Any, bool]  # the state afterwards, the result, whether it was done
INITIAL: dict[str, Any] = {
    "register": None,
    "kv": None,
    "queue": (),
    "set": frozenset(),
    "append": (),
    "bank": tuple((account, EACH) for account in ACCOUNTS),
    "rich bank": tuple((account, 100 * EACH) for account in ACCOUNTS),
    "large bank": tuple((f"a{number}", 100) for number in range(8)),
}
OPTIONS = {name: {"balances": dict(INITIAL[name])} for name in INITIAL if "bank" in name}
FIRST_ANSWER: dict[str, Any] = {
    "register": None,
    "kv": None,
    "queue": None,
    "set": [],
    "append": [],
    "bank": dict.fromkeys(ACCOUNTS, EACH),
    "rich bank": dict.fromkeys(ACCOUNTS, 100 * EACH),
}
_ROW = re.compile(
    r"(?P<process>\d+) (?P<f>\w+)( (?P<key>\w+))?( (?P<value>[^@>]+?))?( -> (?P<result>[^@]+?))?"
    r" @ (?P<begin>\S+) (?P<end>\S+)( (?P<fail>fail))?"
)


def table(text: str) -> list[Operation]:
    """One operation per line: `PROCESS F KEY [VALUE] [-> RESULT] @ BEGIN END|? [fail]`, `?` for an unknown outcome."""
    operations: list[Operation] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        row = _ROW.fullmatch(re.sub(r"\s+", " ", line))
        assert row is not None, line
        unknown = row["end"] == "?"
        operations.append(
            Operation(
                index=len(operations),
                process=int(row["process"]),
                node="london" if int(row["process"]) % 2 else "tokyo",
                f=row["f"],
                key=row["key"] or "",
                value=json.loads(row["value"]) if row["value"] else None,
                result=json.loads(row["result"]) if row["result"] else None,
                outcome="unknown" if unknown else "fail" if row["fail"] else "ok",
                invoked_s=float(row["begin"]),
                completed_s=math.inf if unknown else float(row["end"]),
                intended_s=float(row["begin"]),
                error="timeout" if unknown else "",
            )
        )
    return operations


def applied(state: Any, f: str, value: Any) -> Applied:
    """What one operation does to an object and answers."""
    match f:
        case "read" if isinstance(state, frozenset):
            return state, sorted(state), True
        case "read" if isinstance(state, tuple) and state and isinstance(state[0], tuple):
            return state, dict(state), True
        case "read":
            return state, list(state) if isinstance(state, tuple) else state, True
        case "write":
            return value, None, True
        case "delete":
            return None, None, True
        case "cas":
            old, new = value
            return (new, None, True) if state == old else (state, None, False)
        case "enqueue" | "append":
            return (*state, value), None, True
        case "dequeue":
            return (state[1:], state[0], True) if state else (state, None, True)
        case "add":
            return state | {value}, None, True
        case "transfer":
            balances = dict(state)
            if balances[value["from"]] < value["amount"]:
                return state, None, False
            balances[value["from"]] -= value["amount"]
            balances[value["to"]] += value["amount"]
            return tuple(sorted(balances.items())), None, True
    raise AssertionError(f)


def orderable(operations: Sequence[Operation], initial: Any) -> bool:
    """The definition of linearizability, by trying every order that time allows; for a handful of operations."""
    happened = [operation for operation in operations if operation.outcome != "fail"]

    def possible(left: list[Operation], state: Any) -> bool:
        if not any(operation.outcome == "ok" for operation in left):
            return True
        first_end_s = min(operation.completed_s for operation in left)
        for operation in left:
            if operation.invoked_s > first_end_s:
                continue
            after, result, done = applied(state, operation.f, operation.value)
            if operation.outcome == "ok" and (not done or result != operation.result):
                continue
            if possible([other for other in left if other is not operation], after):
                return True
        return False

    return possible(happened, initial)


def asked(model: str, random: Random, fresh: Callable[[], int], values: int) -> tuple[str, Any]:
    """A function of the model and its argument; `values`: so many different ones, 0 for ever new ones."""
    value = random.randrange(values) if values else fresh()
    other = random.randrange(values) if values else None
    match model:
        case "register" | "kv":
            options: list[tuple[str, Any]] = [("read", None), ("read", None), ("write", value)]
            if values:
                options.append(("cas", [other, value]))
            if model == "kv" and values:
                options.append(("delete", None))
            return random.choice(options)
        case "queue":
            return random.choice([("enqueue", value), ("dequeue", None)])
        case "set":
            return random.choice([("add", value), ("read", None)])
        case "append":
            return random.choice([("append", value), ("read", None)])
    if random.random() < 0.4:
        return "read", None
    from_, to = random.sample([account for account, _ in INITIAL[model]], 2)
    return "transfer", {"from": from_, "to": to, "amount": random.randint(1, 7)}


def drawn(model: str, random: Random, most: int = 6) -> list[Operation]:
    """A small history of a simulated object; often with an answer changed, a time moved, or an end unknown."""
    operations = simulated(
        model,
        random,
        max(random.randint(1, most), random.randint(1, most)),
        clients=random.randint(1, 3),
        values=random.choice([0, 2, 3]),
        unknown=random.choice([0.0, 0.3]),
        instants=random.choice([None, 8]),
    )
    answers = [
        operation.result
        for operation in operations
        if operation.f in ("read", "dequeue") and operation.outcome == "ok"
    ]
    if model in ("register", "kv", "queue"):
        answers += [operation.value for operation in operations if operation.f in ("write", "enqueue")]
    for _ in range(random.randrange(5)):
        i = random.randrange(len(operations))
        one = operations[i]
        if one.outcome != "ok":
            continue
        if one.f in ("read", "dequeue"):
            operations[i] = replace(one, result=random.choice([*answers, FIRST_ANSWER[model]]))
        else:
            moved_s = random.choice([-1.0, 1.0])
            operations[i] = replace(
                one, invoked_s=one.invoked_s + moved_s, completed_s=one.completed_s + moved_s
            )
    return operations


def simulated(
    model: str,
    random: Random,
    count: int,
    *,
    clients: int,
    keys: int = 1,
    values: int = 0,
    unknown: float = 0.0,
    instants: int | None = None,
    nodes: Sequence[str] = ("london", "tokyo"),
) -> list[Operation]:
    """What clients of an object that is right would record: each takes effect at an instant between its begin and end.

    A share `unknown` of changes has no known end: half of them take effect, at once or much later, and half never.
    `instants`: times are whole numbers up to this, so that many are equal.
    """
    numbers = iter(range(1, 10 * count + 10))
    state = {f"k{key}": INITIAL[model] for key in range(keys)}
    ready = [(random.random(), client) for client in range(clients)]
    heapq.heapify(ready)
    process = list(range(clients))
    planned = []
    for _ in range(count):
        begin_s, client = heapq.heappop(ready)
        took_s = 0.01 + random.expovariate(10)
        f, value = asked(model, random, lambda: next(numbers), values)
        is_unknown = random.random() < unknown
        effect_s = begin_s + took_s * random.random()
        if is_unknown:
            effect_s = random.choice([effect_s, effect_s + random.random() * 3, math.inf, math.inf])
        planned.append((effect_s, begin_s, begin_s + took_s, process[client], client, f, value, is_unknown))
        if is_unknown:
            process[client] = max(process) + 1
        heapq.heappush(ready, (begin_s + took_s + 0.01 * random.random(), client))
    if instants:
        last_s = max(end_s for _, _, end_s, *_ in planned)
        planned = [
            (math.floor(effect_s / last_s * instants) if effect_s < math.inf else effect_s,
             math.floor(begin_s / last_s * instants), math.ceil(end_s / last_s * instants), *rest)
            for effect_s, begin_s, end_s, *rest in planned
        ]  # fmt: skip
    planned.sort(key=lambda row: row[0])
    operations: list[Operation] = []
    for effect_s, begin_s, end_s, number, client, f, value, is_unknown in planned:
        key = f"k{random.randrange(keys)}"
        after, result, done = applied(state[key], f, value)
        if effect_s < math.inf:
            state[key] = after
        outcome: Outcome = "unknown" if is_unknown else "ok" if done else "fail"
        operations.append(
            Operation(
                0,
                number,
                nodes[client % len(nodes)],
                f,
                key,
                value,
                result if outcome == "ok" else None,
                outcome,
                float(begin_s),
                math.inf if is_unknown else float(end_s),
                float(begin_s),
                "timeout" if is_unknown else "",
            )
        )
    operations.sort(key=lambda operation: operation.invoked_s)
    return [replace(operation, index=index) for index, operation in enumerate(operations)]
