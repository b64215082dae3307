"""Workloads: the same from the same seed, judged well when the store is good, and badly by every bug that is planted."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from skyrack.workloads import (
    Failed,
    OptionError,
    Refused,
    Request,
    UnknownName,
    find_adapter,
    find_workload,
)
from skyrack.workloads.registry import WORKLOADS, absolute
from skyrack.workloads.rehearsal import rehearse
from skyrack.workloads.schedule import instants, planned
from skyrack.workloads.stores.memory import Memory, MemoryStore
from skyrack.workloads.stores.scoped import Scoped

NAMES = tuple(WORKLOADS)
CHANGING = {"write", "cas", "append", "enqueue", "add"}


def asked(name: str, seed: int, count: int = 500) -> list[Request]:
    return list(itertools.islice(find_workload(name).of({}).generator(seed), count))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_asks_the_same_byte_for_byte(name: str) -> None:
    def text(seed: int) -> str:
        return "\n".join(json.dumps(asdict(request)) for request in asked(name, seed))

    assert text(7) == text(7)
    assert text(7) != text(8)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"bank"}))
def test_no_value_is_written_twice(name: str) -> None:
    """Else a checker could not tell which write a read has seen."""
    values = [
        request.value[1] if request.f == "cas" else request.value
        for request in asked(name, 3)
        if request.f in CHANGING
    ]
    assert len(values) > 100
    assert len(set(values)) == len(values)


def test_instants_have_the_rate_and_the_nodes_take_turns() -> None:
    assert list(instants(10, 0.5, "fixed", 1)) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    poisson = list(instants(200, 20, "poisson", 1))
    assert len(poisson) == pytest.approx(4000, rel=0.05)
    assert poisson == list(instants(200, 20, "poisson", 1)) != list(instants(200, 20, "poisson", 2))
    plan = planned(find_workload("kv").of({}), ["a", "b"], rate_hz=2, duration_s=2, seed=7)
    assert [(at.at_s, at.node) for at in plan] == [(0, "a"), (0.5, "b"), (1, "a"), (1.5, "b")]


@pytest.mark.parametrize("name", NAMES)
async def test_a_store_that_keeps_its_promises_is_found_to(name: str) -> None:
    workload, memory = find_workload(name).of({}), Memory()
    history = await rehearse(workload, lambda: MemoryStore(memory))
    report = workload.checks(history)
    assert report.verdict == "ok", str(report)
    assert len(history.operations) > 1000, "the final tasks are missing"


@pytest.mark.parametrize("name", NAMES)
async def test_answers_that_get_lost_are_no_broken_promise(name: str) -> None:
    class Unreliable(MemoryStore):
        """One in twenty operations gets no answer, after it was carried out or before."""

        draw = random.Random(1)

    def loses_answers(method: str) -> Callable[..., object]:
        async def call(self: Unreliable, *arguments: object) -> object:
            share = self.draw.random()
            if share < 0.025:
                raise ConnectionError("before")
            answer: object = await getattr(MemoryStore, method)(self, *arguments)
            if share < 0.05:
                raise ConnectionError("after")
            return answer

        return call

    operations = (
        "read",
        "write",
        "cas",
        "append",
        "read_list",
        "add",
        "read_set",
        "enqueue",
        "dequeue",
        "transfer",
    )
    for method in (*operations, "balances"):
        setattr(Unreliable, method, loses_answers(method))
    workload, memory = find_workload(name).of({}), Memory()
    history = await rehearse(workload, lambda: Unreliable(memory), operations=400)
    assert sum(operation.outcome == "unknown" for operation in history.operations) > 10
    report = workload.checks(history)
    assert report.verdict != "bad", str(report)


class StaleReads(MemoryStore):
    """One in ten reads is answered from what was there a while ago."""

    old: dict[str, list[int | None]]
    draw = random.Random(1)

    async def read(self, key: str) -> int | None:
        seen = self.old.setdefault(key, [])
        seen.append(await super().read(key))
        return seen[-4] if len(seen) > 4 and self.draw.random() < 0.1 else seen[-1]


class Forgets(MemoryStore):
    """One in fifty changes is acknowledged and not made."""

    draw = random.Random(1)

    def _forgets(self) -> bool:
        return self.draw.random() < 0.02

    async def write(self, key: str, value: int) -> None:
        if not self._forgets():
            await super().write(key, value)

    async def append(self, key: str, value: int) -> None:
        if not self._forgets():
            await super().append(key, value)

    async def add(self, key: str, value: int) -> None:
        if not self._forgets():
            await super().add(key, value)

    async def enqueue(self, queue: str, value: int) -> None:
        if not self._forgets():
            await super().enqueue(queue, value)

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        if self._forgets():
            self.memory.accounts[source] -= amount
            return True
        return await super().transfer(source, target, amount)


class TakesTwice(MemoryStore):
    """One in fifty elements that are taken stays."""

    draw = random.Random(1)

    async def dequeue(self, queue: str) -> int | None:
        value = await super().dequeue(queue)
        if value is not None and self.draw.random() < 0.02:
            self.memory.queues[queue].appendleft(value)
        return value


class ComparesNothing(MemoryStore):
    """A compare-and-set that always sets."""

    async def cas(self, key: str, old: int | None, new: int) -> bool:
        await self.write(key, new)
        return True


class Overdraws(MemoryStore):
    """Balances may fall below zero."""

    async def transfer(self, source: str, target: str, amount: int) -> bool:
        self.memory.accounts[source] -= amount
        self.memory.accounts[target] += amount
        return True


class Reorders(MemoryStore):
    """Now and then an append goes before the last one."""

    draw = random.Random(1)

    async def append(self, key: str, value: int) -> None:
        values = self.memory.lists.setdefault(key, [])
        values.insert(len(values) - (self.draw.random() < 0.05 and bool(values)), value)


@pytest.mark.parametrize(
    ("name", "bug", "options"),
    [
        ("kv", StaleReads, {}),
        ("kv", Forgets, {}),
        ("kv", ComparesNothing, {}),
        ("append", Forgets, {}),
        ("append", Reorders, {}),
        ("queue", Forgets, {}),
        ("queue", TakesTwice, {}),
        ("set", Forgets, {}),
        ("bank", Forgets, {}),
        ("bank", Overdraws, {"balance": 2}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
async def test_a_planted_bug_is_found_and_the_operations_that_prove_it(
    name: str, bug: type[MemoryStore], options: dict[str, int]
) -> None:
    workload, memory = find_workload(name).of(options), Memory()

    def connect() -> MemoryStore:
        store = bug(memory)
        if isinstance(store, StaleReads):
            store.old = old
        return store

    old: dict[str, list[int | None]] = {}
    report = workload.checks(await rehearse(workload, connect, operations=2000))
    assert report.verdict == "bad", str(report)
    assert all(check.operations for check in report.checks if check.verdict == "bad")


async def test_the_same_seed_rehearses_the_same() -> None:
    async def history(seed: int) -> str:
        memory = Memory()
        found = await rehearse(find_workload("kv").of({}), lambda: MemoryStore(memory), seed=seed)
        return repr(found)

    assert await history(1) == await history(1) != await history(2)


async def test_loads_do_not_see_each_others_keys() -> None:
    memory = Memory()
    one, other = Scoped(MemoryStore(memory), "one"), Scoped(MemoryStore(memory), "other")
    await one.write("x", 1)
    await one.open_accounts({"a": 5, "b": 0})
    assert await other.read("x") is None
    assert await one.transfer("a", "b", 2)
    assert await one.balances(["a", "b"]) == {"a": 3, "b": 2}


async def test_the_stores_own_no_is_not_an_error() -> None:
    memory = Memory()
    kv, bank = find_workload("kv").of({}), find_workload("bank").of({"accounts": 2})
    store = MemoryStore(memory)
    with pytest.raises(Refused):
        await kv.invoke(store, Request("cas", "x", [1, 2]))
    await bank.open(store)
    with pytest.raises(Refused):
        await bank.invoke(store, Request("transfer", "bank", {"from": "a0", "to": "a1", "amount": 101}))
    assert issubclass(Refused, Failed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kesy": 1}, "kv has no option 'kesy': its options are keys, read_ratio"),
        ({"keys": 0}, "keys is 0, at least 1 is needed"),
        ({"keys": 1.5}, "keys is 1.5, expected int"),
        ({"read_ratio": 2}, "read_ratio is 2, at most 1 is possible"),
        ({"keys": True}, "expected int"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        find_workload("kv").of(options)


def test_what_a_checker_has_to_know_is_in_the_facts() -> None:
    facts = find_workload("bank").of({"accounts": 3, "balance": 7}).facts()
    assert (facts["accounts"], facts["total"]) == (["a0", "a1", "a2"], 21)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("apend", "no workload is called 'apend': did you mean append?"),
        ("nowhere.py:Mine", "there is no file nowhere.py"),
        ("nowhere.such:Mine", "No module named 'nowhere'"),
        ("json:Mine", "json has no Mine"),
        ("json:JSONDecoder", "is no workload"),
    ],
)
def test_a_name_that_means_no_workload_is_explained(name: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        find_workload(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Mine(:\n", r"mine\.py:1: "),
        ("\n1 / 0\n", r"mine\.py:2: ZeroDivisionError: division by zero"),
        ("class Mined: ...\n", "mine.py has no Mine: did you mean Mined?"),
    ],
)
def test_what_is_wrong_in_somebody_s_file_is_said_with_its_line_each_time(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "mine.py").write_text(text)
    for _ in range(2):
        with pytest.raises(UnknownName, match=message):
            find_workload(f"{tmp_path}/mine.py:Mine")


def test_workloads_and_adapters_in_a_file_are_found_with_what_lies_beside(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("LENGTH = 3\n")
    (tmp_path / "mine.py").write_text(
        "from beside_it import LENGTH\nfrom skyrack.workloads.kv import Kv\n"
        "class Mine(Kv):\n    name = 'mine'\nclass Store:\n    def __init__(self, endpoints, timeout_s):\n"
        "        self.endpoints = endpoints\n"
    )
    assert find_workload(f"{tmp_path}/mine.py:Mine").of({}).name == "mine"
    assert find_adapter(f"{tmp_path}/mine.py:Store")(["a:1"], 1.0).endpoints == ["a:1"]  # type: ignore[attr-defined]
    assert absolute("kv") == "kv"
    assert absolute("mine.py:Mine") == f"{Path.cwd()}/mine.py:Mine"
