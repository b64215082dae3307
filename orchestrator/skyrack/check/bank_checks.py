"""Banks apart from linearizability: the sum stays, nobody is overdrawn, and the last reads have every transfer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from skyrack.check.report import Check
from skyrack.check.words import count, line, lines, shown
from skyrack.history import Operation

TOTAL = "total conserved"
OVERDRAWN = "no balance below zero"
LOST = "no acknowledged write lost"
_MOST_SHOWN = 5
_MOST_SUMS = 100_000


def bank_checks(operations: Sequence[Operation], opened: Mapping[str, int]) -> list[Check]:
    """Judge every read by the balances that there were at first."""
    reads = [operation for operation in operations if operation.f == "read" and operation.outcome == "ok"]
    total = sum(opened.values())
    wrong_total = [
        read
        for read in reads
        if sum(read.result.values()) != total or read.result.keys() != dict(opened).keys()
    ]
    overdrawn = [read for read in reads if min(read.result.values(), default=0) < 0]
    return [
        _of(
            TOTAL,
            wrong_total,
            f"{total:,} in each of {count(len(reads), 'read')}",
            f"have not {total:,} on these accounts",
        ),
        _of(OVERDRAWN, overdrawn, f"{count(len(reads), 'read')} judged", "have an account below zero"),
        _lost(operations, opened),
    ]


def _of(name: str, wrong: list[Operation], fine: str, what: str) -> Check:
    if not wrong:
        return Check(name, "ok", fine, (), {"violations": 0})
    text = [f"{count(len(wrong), 'read')} {what}"]
    text += [f"{sum(read.result.values()):,}: {line(read)}" for read in wrong[:_MOST_SHOWN]]
    return Check(
        name,
        "bad",
        "\n".join(text),
        tuple(read.index for read in wrong),
        {"violations": len(wrong)},
    )


def _lost(operations: Sequence[Operation], opened: Mapping[str, int]) -> Check:
    """Whether the last read is what acknowledged transfers before it make, and some of those that may have happened."""
    transfers = [operation for operation in operations if operation.f == "transfer"]
    acknowledged = sum(operation.outcome == "ok" for operation in transfers)
    last = max(
        (operation for operation in operations if operation.f == "read" and operation.outcome == "ok"),
        key=lambda operation: (operation.invoked_s, operation.index),
        default=None,
    )
    figures: dict[str, object] = {"acknowledged": acknowledged}
    if last is None:
        return Check(
            LOST, "inconclusive" if acknowledged else "ok", "no read behind any transfer", (), figures
        )
    expected = Counter(opened)
    maybe = []
    judged = 0
    for transfer in transfers:
        if transfer.outcome == "ok" and transfer.completed_s < last.invoked_s:
            judged += 1
            _move(expected, transfer)
        elif transfer.outcome != "fail" and transfer.invoked_s <= last.completed_s:
            maybe.append(transfer)
    figures |= {"judged": judged, "uncertain": len(maybe)}
    missing = {
        account: last.result.get(account, 0) - expected[account]
        for account in sorted({*expected, *last.result})
        if last.result.get(account, 0) != expected[account]
    }
    reached = _reachable(missing, maybe)
    beside = f", with some of {count(len(maybe), 'transfer')} that may have happened" if maybe else ""
    if reached:
        text = f"the last read has all of {count(judged, 'acknowledged transfer')}{beside}"
        return Check(LOST, "ok", text, (last.index,), figures)
    if reached is None:
        text = f"{count(len(maybe), 'transfer')} may have happened by the last read: too many to try"
        return Check(LOST, "inconclusive", text, (last.index,), figures)
    figures["difference"] = missing
    suspects = _suspects(missing, transfers)
    rows = [
        f"the last read is not what {count(judged, 'acknowledged transfer')} make{beside}: "
        f"it differs by {shown(missing)}",
        line(last),
    ]
    if suspects:
        rows.append("this much was moved, and undone or done twice, by one of")
        rows += [f"  {row}" for row in lines(suspects, _MOST_SHOWN)]
    return Check(LOST, "bad", "\n".join(rows), (last.index, *(one.index for one in suspects)), figures)


def _move(balances: Counter[str], transfer: Operation) -> None:
    amount = transfer.value["amount"]
    balances[transfer.value["from"]] -= amount
    balances[transfer.value["to"]] += amount


def _reachable(missing: Mapping[str, int], maybe: Sequence[Operation]) -> bool | None:
    """Whether some of `maybe` make this difference; None where there are too many sums to try."""
    target = frozenset((account, by) for account, by in missing.items() if by)
    sums = {frozenset[tuple[str, int]]()}
    if target in sums:
        return True
    for transfer in maybe:
        more = set()
        for one in sums:
            balances = Counter(dict(one))
            _move(balances, transfer)
            more.add(frozenset((account, by) for account, by in balances.items() if by))
        sums |= more
        if target in sums:
            return True
        if len(sums) > _MOST_SUMS:
            return None
    return False


def _suspects(missing: Mapping[str, int], transfers: Sequence[Operation]) -> list[Operation]:
    """Acknowledged transfers of which a single one, undone or done twice, makes the difference."""
    if len(missing) != 2:
        return []
    (one, by), (other, against) = missing.items()
    if by != -against:
        return []
    return [
        transfer
        for transfer in transfers
        if transfer.outcome == "ok"
        and {transfer.value["from"], transfer.value["to"]} == {one, other}
        and transfer.value["amount"] == abs(by)
    ]
