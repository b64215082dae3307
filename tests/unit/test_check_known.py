"""Histories whose answer is known: from the literature, and violations that were planted in long histories."""

import math
import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from skyrack.check import CheckError, Report, check
from skyrack.history import Operation

from .histories import OPTIONS, simulated, table

# Herlihy and Wing, Linearizability (1990), section 1.2: H1 and H3 are acceptable, H2 and H4 are not.
HERLIHY_WING_QUEUES = {
    "H1": (
        "ok",
        """
        0 enqueue q 1      @ 0 2
        1 enqueue q 2      @ 1 3
        1 dequeue q -> 1   @ 4 6
        0 dequeue q -> 2   @ 5 7
        2 enqueue q 3      @ 5 8
        """,
    ),
    "H2": (
        "bad",
        """
        0 enqueue q 1      @ 0 1
        1 enqueue q 2      @ 2 3
        1 dequeue q -> 2   @ 4 5
        """,
    ),
    "H3": (
        "ok",
        """
        0 enqueue q 1      @ 0 10
        1 dequeue q -> 1   @ 1 2
        """,
    ),
    "H4": (
        "bad",
        """
        0 enqueue q 1      @ 0 3
        1 enqueue q 2      @ 1 4
        0 dequeue q -> 2   @ 5 6
        2 dequeue q -> 2   @ 5 7
        """,
    ),
}
# The shapes of Porcupine's first tests: a read may see a write that has not ended, but nobody behind it something older.
REGISTERS = {
    "concurrent reads see the write": (
        "ok",
        """
        0 write x 100        @ 0 100
        1 read x -> 100      @ 25 75
        2 read x -> null     @ 30 60
        """,
    ),
    "new, then old": (
        "bad",
        """
        0 write x 200        @ 0 100
        1 read x -> 200      @ 10 30
        2 read x -> null     @ 40 90
        """,
    ),
    "cas chain": (
        "ok",
        """
        0 write x 1          @ 0 1
        1 cas x [1, 2]       @ 2 9
        2 cas x [2, 3]       @ 2 9
        3 read x -> 3        @ 10 11
        """,
    ),
    "two replaced the same": (
        "bad",
        """
        0 write x 1          @ 0 1
        1 cas x [1, 2]       @ 2 9
        2 cas x [1, 3]       @ 2 9
        """,
    ),
    "unknown happens late": (
        "ok",
        """
        0 write x 1          @ 0 1
        1 write x 2          @ 0 ?
        2 read x -> 1        @ 5 6
        2 read x -> 2        @ 90 91
        """,
    ),
    "unknown happens once": (
        "bad",
        """
        0 write x 1          @ 0 1
        1 write x 2          @ 0 ?
        2 read x -> 2        @ 5 6
        2 read x -> 1        @ 90 91
        """,
    ),
    "what failed never happened": (
        "bad",
        """
        0 write x 1          @ 0 1 fail
        1 read x -> 1        @ 2 3
        """,
    ),
    "at the same instant in any order": (
        "ok",
        """
        0 write x 1          @ 0 1
        1 write x 2          @ 1 1
        2 read x -> 1        @ 1 1
        """,
    ),
    "deleted": (
        "ok",
        """
        0 write x 1          @ 0 1
        1 delete x           @ 2 3
        2 read x -> null     @ 4 5
        """,
    ),
}  # fmt: skip
SETS = {
    "each lacks the other's": (
        "bad",
        """
        0 add s 1            @ 0 9
        1 add s 2            @ 0 9
        2 read s -> [1]      @ 1 8
        3 read s -> [2]      @ 1 8
        """,
    ),
    "from nowhere": ("bad", "0 read s -> [7] @ 0 1"),
    "the order of a read is nothing": (
        "ok",
        """
        0 add s 1            @ 0 1
        0 add s 2            @ 2 3
        1 read s -> [2, 1]   @ 4 5
        """,
    ),
}


@pytest.mark.parametrize(
    ("model", "expected", "text"),
    [
        *(("queue", *known) for known in HERLIHY_WING_QUEUES.values()),
        *(("kv", *known) for known in REGISTERS.values()),
        *(("set", *known) for known in SETS.values()),
    ],
    ids=[*HERLIHY_WING_QUEUES, *REGISTERS, *SETS],
)
def test_known_histories_have_the_known_answer(model: str, expected: str, text: str) -> None:
    assert named(check(table(text), model), "linearizable")[0] == expected


def named(report: Report, name: str) -> tuple[str, str, list[int]]:
    """Verdict, text and proof of one check."""
    found = next(one for one in report.checks if one.name == name)
    return found.verdict, found.text, list(found.operations)


def test_a_violation_is_told_with_its_operations_and_what_would_have_been_allowed() -> None:
    operations = table(
        """
        1 write x 1          @ 0 1
        2 write x 2          @ 2 3
        3 read x -> 2        @ 4 5
        4 write x 3          @ 4 9
        3 read x -> 1        @ 6 7
        5 read x -> 3        @ 8 9
        """
    )
    verdict, text, proof = named(check(operations, "kv"), "linearizable")
    assert verdict == "bad"
    assert proof[0] == 4
    assert {0, 1, 2} & set(proof)
    assert "x: 3 operations can be ordered, until this one ends:" in text
    assert "#4  read x -> 1  by process 3 at london, 6.000-7.000 s, ok" in text
    assert "allowed: 3 or 2" in text


def test_the_search_tells_the_same_as_the_shortcut() -> None:
    text = """
        1 write x 1          @ 0 1
        2 write x 1          @ 2 3
        3 write x 2          @ 4 5
        4 write x 3          @ 6 9
        5 read x -> 1        @ 7 8
        """
    verdict, said, proof = named(check(table(text), "kv"), "linearizable")
    assert verdict == "bad"
    assert proof[0] == 4
    assert "allowed: 2 or 3" in said or "allowed: 3 or 2" in said


def test_a_bound_on_memory_gives_no_answer_rather_than_a_wrong_one() -> None:
    operations = simulated("register", Random(1), 2000, clients=40, values=4, nodes=("london",))
    report = check(operations, "register", most_states=200)
    verdict, text, _ = named(report, "linearizable")
    assert verdict == report.verdict == "inconclusive"
    assert "more than 200 states" in text
    assert "could be ordered, not past" in text


def test_a_lost_write_names_the_write_and_who_missed_it() -> None:
    operations = table(
        """
        1 write x 1          @ 0 1
        2 write x 2          @ 2 3
        3 read x -> 1        @ 4 5
        4 write x 3          @ 6 7
        """
    )
    verdict, text, proof = named(check(operations, "kv"), "no acknowledged write lost")
    assert (verdict, proof) == ("bad", [1, 2])
    assert text.startswith("1 lost of 3 acknowledged writes")


def test_a_stale_read_is_no_lost_write_but_is_counted_and_not_linearizable() -> None:
    operations = table(
        """
        1 write x 1          @ 0 1
        2 write x 2          @ 2 3
        3 read x -> 1        @ 4 5
        4 read x -> 2        @ 6 7
        """
    )
    report = check(operations, "kv")
    lost = next(one for one in report.checks if one.name == "no acknowledged write lost")
    assert (lost.verdict, lost.figures["lost"], lost.figures["stale_reads"]) == ("ok", 0, 1)
    assert named(report, "linearizable")[0] == "bad"


@pytest.mark.parametrize(
    ("before", "behind", "lost"),
    [
        ("1 write x 3 @ 3.2 3.4", "4 read x -> 3 @ 6 7", []),  # 3 replaced 2, and was there when 1 was read
        ("1 write x 3 @ 3.2 ?", "4 read x -> 3 @ 6 7", []),
        ("1 write x 3 @ 3.2 3.4", "4 read x -> 1 @ 6 7", [2, 3]),
        (
            "",
            "1 write x 3 @ 5.2 5.4\n4 read x -> 3 @ 6 7",
            [2],
        ),  # too late to have replaced 2 when 1 was read
        ("1 delete x @ 3.2 3.4", "4 read x -> null @ 6 7", []),
        ("", "1 delete x @ 5.2 5.4\n4 read x -> null @ 6 7", [2]),
        ("", "4 read x -> 9 @ 6 7", [2]),  # nobody wrote that, and it says nothing of what did
        ("", "4 read x -> 2 @ 4 7", []),
    ],
)
def test_a_write_that_may_have_been_replaced_before_a_stale_read_is_not_lost(
    before: str, behind: str, lost: list[int]
) -> None:
    operations = table(f"1 write x 1 @ 0 1\n1 write x 2 @ 2 3\n{before}\n3 read x -> 1 @ 4 5\n{behind}")
    one = next(
        check for check in check(operations, "kv").checks if check.name == "no acknowledged write lost"
    )
    assert one.figures["lost"] == len(lost)
    assert {operations[index].value for index in one.operations if operations[index].f == "write"} == set(
        lost
    )


@pytest.mark.parametrize("other", ["5 write x 1 @ 3 ?", "5 write x 1 @ 2.5 3.5"])
def test_a_write_is_not_lost_if_another_may_have_come_behind_it(other: str) -> None:
    operations = table(f"1 write x 1 @ 0 1\n2 write x 2 @ 2 3\n{other}\n3 read x -> 1 @ 4 5")
    assert named(check(operations, "kv"), "no acknowledged write lost")[0] == "ok"


def test_a_process_that_goes_back_or_misses_its_own_write_is_named() -> None:
    operations = table(
        """
        1 write x 1          @ 0 1
        1 write x 2          @ 2 3
        3 read x -> 2        @ 4 5
        3 read x -> 1        @ 6 7
        1 read x -> 1        @ 8 9
        """
    )
    report = check(operations, "kv")
    assert named(report, "monotonic reads")[::2] == ("bad", [2, 3])
    assert named(report, "read your writes")[::2] == ("bad", [1, 4])


@pytest.mark.parametrize(
    ("model", "text", "name", "proof"),
    [
        (
            "set",
            "0 add s 1 @ 0 1\n0 add s 2 @ 2 3\n1 read s -> [2] @ 4 5",
            "no acknowledged write lost",
            [0, 2],
        ),
        ("set", "0 add s 1 @ 0 1\n0 read s -> [] @ 2 3", "read your writes", [1]),
        ("set", "0 add s 1 @ 0 1\n1 read s -> [1] @ 2 3\n1 read s -> [] @ 4 5", "monotonic reads", [2]),
        (
            "set",
            "0 add s 1 @ 0 1\n1 read s -> [1] @ 2 3\n2 read s -> [] @ 4 5",
            "no acknowledged write lost",
            [0, 2],
        ),
        ("set", "0 add s 1 @ 0 1\n0 add s 1 @ 2 3\n1 read s -> [1, 1] @ 4 5", "each value once", [2]),
        ("set", "0 add s 1 @ 0 1 fail\n1 read s -> [1] @ 2 3", "each value once", [1]),
        ("append", "0 append l 1 @ 0 1\n1 read l -> [1, 1] @ 2 3", "each value once", [1]),
        (
            "append",
            "0 append l 1 @ 0 9\n0 append l 2 @ 0 9\n1 read l -> [1, 2] @ 10 11\n1 read l -> [2, 1] @ 12 13",
            "monotonic reads",
            [3],
        ),
        (
            "append",
            "0 append l 1 @ 0 9\n1 append l 2 @ 0 9\n2 read l -> [1] @ 1 2\n3 read l -> [2, 1] @ 10 11",
            "reads extend each other",
            [2, 3],
        ),
        (
            "append",
            "0 append l 1 @ 0 1\n0 append l 2 @ 2 3\n1 read l -> [1] @ 4 5",
            "no acknowledged write lost",
            [1, 2],
        ),
        (
            "queue",
            "0 enqueue q 1 @ 0 1\n1 dequeue q -> 1 @ 2 3\n2 dequeue q -> 1 @ 2 3",
            "exactly once",
            [1, 2],
        ),
        ("queue", "0 enqueue q 1 @ 0 1 fail\n1 dequeue q -> 1 @ 2 3", "exactly once", [1]),
        ("queue", "0 enqueue q 1 @ 0 1\n1 dequeue q -> null @ 2 3", "no acknowledged write lost", [0, 1]),
        (
            "queue",
            "0 enqueue q 1 @ 0 1\n1 dequeue q -> null @ 2 3\n2 dequeue q @ 4 ?",
            "no acknowledged write lost",
            [0, 1],
        ),
    ],
)
def test_what_each_model_promises_beside_the_order(
    model: str, text: str, name: str, proof: list[int]
) -> None:
    verdict, _, found = named(check(table(text), model), name)
    assert (verdict, found) == ("bad", proof)


def test_a_dequeue_with_unknown_outcome_excuses_one_missing_value() -> None:
    text = "0 enqueue q 1 @ 0 1\n2 dequeue q @ 1 ?\n1 dequeue q -> null @ 2 3"
    verdict, said, _ = named(check(table(text), "queue"), "no acknowledged write lost")
    assert verdict == "ok"
    assert "1 value may have been taken" in said


@pytest.mark.parametrize("empty", ["", "1 dequeue q -> null @ 0.5 2"])
def test_a_queue_that_was_not_drained_proves_nothing(empty: str) -> None:
    report = check(table(f"0 enqueue q 1 @ 0 1\n{empty}"), "queue")
    assert named(report, "no acknowledged write lost")[0] == "inconclusive"


@pytest.mark.parametrize(
    ("transfer", "read", "verdict"),
    [
        ("@ 0 1", '{"a": 9, "b": 11, "c": 10}', "ok"),
        ("@ 0 1", '{"a": 10, "b": 10, "c": 10}', "bad"),
        ("@ 0 3.5", '{"a": 10, "b": 10, "c": 10}', "ok"),  # it ended behind the read's begin
        ("@ 3.5 ?", '{"a": 9, "b": 11, "c": 10}', "ok"),
        ("@ 4.5 5", '{"a": 9, "b": 11, "c": 10}', "bad"),  # it began behind the read's end
    ],
)
def test_the_last_read_of_a_bank_has_the_transfers_before_it_and_may_have_those_beside_it(
    transfer: str, read: str, verdict: str
) -> None:
    move = '{"from": "a", "to": "b", "amount": 1}'
    operations = table(f"1 transfer {move} {transfer}\n2 read -> {read} @ 3 4")
    report = check(operations, "bank", options=OPTIONS["bank"])
    assert named(report, "no acknowledged write lost")[0] == verdict


def test_an_account_that_nobody_opened_is_no_part_of_the_total() -> None:
    operations = table('2 read -> {"a": 10, "b": 10, "c": 10, "d": 0} @ 3 4')
    report = check(operations, "bank", options=OPTIONS["bank"])
    assert named(report, "total conserved")[0] == "bad"


def planted(kind: str) -> list[Operation]:
    """A long history of a right object, quiet at its end."""
    model = "rich bank" if kind == "bank" else kind
    keys = {"kv": 10, "queue": 10, "bank": 1}.get(kind, 60)
    clients = 3 if kind == "bank" else 30
    return simulated(model, Random(5), 6000, clients=clients, keys=keys, nodes=("london",))


def finished(operations: list[Operation], f: str, results: dict[str, object]) -> list[Operation]:
    """With one more operation on each key, behind all others."""
    end_s = max(operation.completed_s for operation in operations if operation.outcome == "ok") + 1
    return operations + [
        Operation(len(operations) + i, 10_000, "london", f, key, None, result, "ok", end_s, end_s + 1, end_s)
        for i, (key, result) in enumerate(results.items())
    ]


def some(operations: list[Operation], f: str, place: float = 0.5) -> int:
    """One that was acknowledged, about so far into the history."""
    start = int(place * len(operations))
    return next(
        i for i in range(start, len(operations)) if operations[i].f == f and operations[i].outcome == "ok"
    )


def test_a_planted_stale_read_is_found() -> None:
    operations = planted("kv")
    for i in range(4000, 6000):
        read = operations[i]
        if read.f == "read" and (
            before := [one for one in operations[:2000] if one.key == read.key and one.f == "write"]
        ):
            operations[i] = replace(read, result=before[-1].value)
            break
    report = check(operations, "kv")
    assert named(report, "linearizable")[2][0] == i
    assert (
        next(c for c in report.checks if c.name == "no acknowledged write lost").figures["stale_reads"] == 1
    )


def test_a_planted_lost_write_is_found() -> None:
    operations = planted("kv")
    by_key = {
        key: [one for one in operations if one.key == key and one.f == "write" and one.outcome == "ok"]
        for key in {one.key for one in operations}
    }
    results = {key: writes[-1].value for key, writes in by_key.items()}
    last = max(by_key["k3"], key=lambda one: one.completed_s)
    older = [one for one in by_key["k3"] if one.completed_s < last.invoked_s][-5]
    report = check(finished(operations, "read", {**results, "k3": older.value}), "kv")
    verdict, _, proof = named(report, "no acknowledged write lost")
    assert verdict == "bad"
    assert last.index in proof
    assert named(report, "linearizable")[0] == "bad"


def test_a_planted_double_dequeue_is_found() -> None:
    operations = planted("queue")
    first = next(one for one in operations[2000:] if one.f == "dequeue" and one.result is not None)
    again = next(
        i
        for i in range(4000, 6000)
        if operations[i].f == "dequeue" and operations[i].key == first.key and operations[i].outcome == "ok"
    )
    operations[again] = replace(operations[again], result=first.result)
    report = check(operations, "queue")
    assert named(report, "exactly once")[2] == [first.index, again]
    assert named(report, "linearizable")[0] == "bad"


@pytest.mark.parametrize(("model", "f"), [("set", "add"), ("append", "append")])
def test_a_planted_lost_value_is_found(model: str, f: str) -> None:
    operations = planted(model)
    lost = operations[some(operations, f)]
    for i, one in enumerate(operations):
        if one.f == "read" and one.key == lost.key and lost.value in one.result:
            operations[i] = replace(one, result=[value for value in one.result if value != lost.value])
    held = [one.value for one in operations if one.key == lost.key and one.f == f and one is not lost]
    results = {lost.key: held if model == "set" else longest(operations, lost.key)}
    report = check(finished(operations, "read", results), model)
    verdict, _, proof = named(report, "no acknowledged write lost")
    assert verdict == "bad"
    assert lost.index in proof
    assert named(report, "linearizable")[0] == "bad"


def longest(operations: list[Operation], key: str) -> object:
    """The longest list that was read of a key."""
    return max((one.result for one in operations if one.key == key and one.f == "read"), key=len)


def test_a_planted_lost_transfer_is_found() -> None:
    operations = planted("bank")
    balances = dict(OPTIONS["rich bank"]["balances"])
    lost = some(operations, "transfer")
    for i, one in enumerate(operations):
        if one.f == "transfer" and one.outcome == "ok" and i != lost:
            balances[one.value["from"]] -= one.value["amount"]
            balances[one.value["to"]] += one.value["amount"]
    report = check(finished(operations, "read", {"": balances}), "bank", options=OPTIONS["rich bank"])
    verdict, text, proof = named(report, "no acknowledged write lost")
    assert verdict == "bad"
    assert lost in proof
    assert "undone or done twice, by one of" in text
    assert named(report, "linearizable")[0] == "bad"
    assert named(report, "total conserved")[0] == "ok"


def test_a_read_of_a_bank_in_the_midst_of_a_transfer_is_found() -> None:
    operations = planted("bank")
    i = some(operations, "read")
    operations[i] = replace(operations[i], result={**operations[i].result, "a": 1})
    report = check(operations, "bank", options=OPTIONS["rich bank"])
    assert named(report, "total conserved")[2] == [i]


@pytest.mark.parametrize(
    ("model", "changed", "said"),
    [
        ("kv", {"f": "pop"}, "operation 0: model kv has no 'pop', but cas, delete, read, write"),
        ("kv", {"f": "cas"}, "operation 0: cas: expected the value [old, new], found 5"),
        ("kv", {"completed_s": -1.0}, "operation 0: it ends at -1.0 s, before it begins at 0.0 s"),
        ("kv", {"outcome": "info"}, "operation 0: expected the outcome ok, fail or unknown, found 'info'"),
        ("set", {"f": "read", "result": 5}, "operation 0: read: expected a list as its result, found 5"),
        ("bank", {"f": "read", "result": [5]}, "operation 0: read: expected {account: balance}"),
        ("bank", {"f": "transfer"}, 'operation 0: transfer: expected the value {"from", "to", "amount"}'),
        ("stack", {}, "no model is called 'stack'"),
        (None, {}, "on which model?"),
    ],
)
def test_an_operation_that_no_model_knows_is_named(
    model: str | None, changed: dict[str, Any], said: str
) -> None:
    operations = [replace(one, **changed) for one in table("0 write x 5 @ 0 1")]
    with pytest.raises(CheckError, match=re.escape(said)):
        check(operations, model, options=OPTIONS["bank"])


def test_an_unknown_operation_may_happen_behind_the_end_that_it_says() -> None:
    operations = table("0 write x 1 @ 0 ?\n1 read x -> null @ 5 6\n1 read x -> 1 @ 7 8")
    operations[0] = replace(operations[0], completed_s=2.0)
    report = check(operations, "kv")
    assert report.verdict == "ok", str(report)


def test_an_echo_that_comes_back_as_something_else_is_found() -> None:
    operations = table("0 echo x 5 @ 0 1\n0 echo x 6 @ 2 3")
    operations = [replace(one, result=5) for one in operations]
    verdict, text, proof = named(check(operations, "echo"), "linearizable")
    assert (verdict, proof) == ("bad", [1])
    assert "something else came back" in text


def test_nothing_is_said_of_an_empty_history() -> None:
    assert check([], "kv").verdict == "inconclusive"
    assert math.isinf(table("0 write x 1 @ 0 ?")[0].completed_s)


@pytest.mark.parametrize(("model", "f"), [("set", "add"), ("append", "append")])
def test_values_that_are_lists_are_judged_like_any_other(model: str, f: str) -> None:
    fine = f'1 {f} x [1] @ 0 1\n2 {f} x "b" @ 2 3\n3 read x -> [[1], "b"] @ 4 5'
    assert check(table(fine), model).verdict == "ok"
    verdict, text, _ = named(check(table(fine.replace('[[1], "b"]', "[[1]]")), model), "linearizable")
    assert verdict == "bad"
    assert 'allowed: [[1], "b"]' in text or 'allowed: ["b", [1]]' in text


@pytest.mark.parametrize("model", ["set", "append"])
def test_a_text_is_no_list_of_letters(model: str) -> None:
    with pytest.raises(CheckError, match="expected a list as its result"):
        check(table('1 read x -> "ab" @ 0 1'), model)


def test_an_order_against_time_says_which_of_the_two_was_first() -> None:
    operations = table("1 append x 1 @ 0 1\n2 append x 2 @ 2 3\n3 read x -> [2, 1] @ 4 5")
    _, text, _ = named(check(operations, "append"), "linearizable")
    assert "because what was read puts append x 2 before append x 1, which had ended before it began" in text


def test_who_went_back_once_goes_back_as_long_as_it_does_not_come_forward() -> None:
    text = (
        "1 write x 1 @ 0 1\n1 write x 2 @ 2 3\n3 read x -> 2 @ 4 5\n3 read x -> 1 @ 6 7\n3 read x -> 1 @ 8 9"
    )
    monotonic = next(one for one in check(table(text), "kv").checks if one.name == "monotonic reads")
    assert monotonic.figures["violations"] == 2


def test_a_write_that_failed_is_nothing_to_read_again() -> None:
    text = "1 write x 1 @ 0 1\n1 write x 2 @ 2 3 fail\n1 read x -> 1 @ 4 5"
    assert named(check(table(text), "kv"), "read your writes")[0] == "ok"


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("1 write x 1 @ 0 1\n2 write x 2 @ 2 5\n3 read x -> 1 @ 3 4", 0),  # the write had not ended
        (
            "1 write x 1 @ 0 1\n2 write x 2 @ 2 3\n3 read x -> 1 @ 4 5\n1 write x 1 @ 6 7",
            1,
        ),  # too late for that read
        (
            "1 write x 1 @ 0 10\n4 write x 1 @ 1 2\n2 write x 2 @ 3 4\n3 read x -> 1 @ 5 6",
            0,
        ),  # the first one may be last
    ],
)
def test_only_what_certainly_had_ended_before_is_older(text: str, lost: int) -> None:
    one = next(one for one in check(table(text), "kv").checks if one.name == "no acknowledged write lost")
    assert one.figures["lost"] == lost


@pytest.mark.parametrize(
    ("model", "text", "verdict"),
    [
        ("kv", "1 cas x [1, 2] @ 0 1\n2 cas x [2, 1] @ 2 3", "bad"),  # each needs the other first
        ("kv", "1 write x 1 @ 0 1\n2 cas x [1, 2] @ 2 ?\n3 cas x [2, 3] @ 2 ?\n4 read x -> 3 @ 5 6", "ok"),
        ("append", "1 append l 1 @ 0 1\n2 read l -> [1, 1] @ 2 3", "bad"),
    ],
)
def test_chains_of_values_are_followed_to_their_begin(model: str, text: str, verdict: str) -> None:
    assert named(check(table(text), model), "linearizable")[0] == verdict


@pytest.mark.parametrize(
    ("model", "text", "verdict"),
    [
        ("register", "0 write x 1 @ 0 1 \n 1 read x -> true @ 2 3", "bad"),
        ("kv", "0 write x [1, {}] @ 0 1 \n 1 read x -> [true, {}] @ 2 3".replace("{}", '{"a": 0}'), "bad"),
        ("kv", "0 write x 0 @ 0 1 \n 1 cas x [false, 2] @ 2 3", "bad"),
        ("queue", "0 enqueue q 1 @ 0 1 \n 1 dequeue q -> true @ 2 3", "bad"),
        ("append", "0 append l 1 @ 0 1 \n 1 read l -> [true] @ 2 3", "bad"),
        ("set", "0 add s 0 @ 0 1 \n 1 read s -> [false] @ 2 3", "bad"),
        ("kv", "0 write x true @ 0 1 \n 1 read x -> true @ 2 3", "ok"),
        ("set", "0 add s true @ 0 1 \n 1 add s 1 @ 0 1 \n 1 read s -> [1, true] @ 2 3", "ok"),
        ("register", "0 write x 1 @ 0 1 \n 1 read x -> 1.0 @ 2 3", "ok"),
    ],
)
def test_true_is_not_taken_for_1_and_numbers_are_compared_as_numbers(
    model: str, text: str, verdict: str
) -> None:
    report = check(table(text), model)
    assert report.verdict == verdict, report
    if verdict == "bad":
        assert re.search("true|false", str(report)), "said as JSON says it"


def test_a_balance_that_is_true_is_none() -> None:
    with pytest.raises(CheckError, match=r"expected \{account: balance\}"):
        check(table('0 read -> {"a": true} @ 0 1'), "bank", options={"balances": {"a": 1}})
