"""No slot is written while a node follows the table in it, or will."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrack.orchestrator.fabric.route_slots import RouteSlots
from skyrack.orchestrator.fabric.wire import ROUTE_SLOTS

N = 3
NEVER = np.inf
TIMES = st.sampled_from((0.0, 1.0, 2.0, 3.0, 4.0, NEVER))
ORDERS = st.lists(
    st.one_of(
        st.tuples(st.just("follow"), st.sampled_from((0.0, 1.0, 2.5, 4.0))),
        st.tuples(st.just("adopt"), st.tuples(*[TIMES] * N)),
    ),
    max_size=6,
)


def followed(orders: list[tuple[str, object]], slots: list[int], node: int, now_s: float) -> int:
    """By replaying every order in the order of time, as the fabric does."""
    events = []
    for told, (kind, at) in enumerate(orders):
        at_s = float(at if kind == "follow" else at[node])  # type: ignore[arg-type, index]
        events.append((at_s, told, kind))
    current, routes_told = 0, -1
    for at_s, told, kind in sorted(events):
        if at_s > now_s or (kind == "adopt" and told < routes_told):
            continue
        current = slots[told]
        if kind == "follow":
            routes_told = max(routes_told, told)
    return current


@given(ORDERS, st.lists(st.sampled_from((0.5, 1.5, 2.75, 5.0)), max_size=4))
def test_the_account_agrees_with_what_the_fabric_carries_out(
    orders: list[tuple[str, object]], looks_s: list[float]
) -> None:
    account, slots = RouteSlots(N), []
    for kind, at in orders:
        slots.append(account.take(-1.0))
        if kind == "follow":
            account.follow(float(at), slots[-1])  # type: ignore[arg-type]
        else:
            account.adopt(np.array(at), slots[-1])
    for now_s in sorted(looks_s):
        account.settle(now_s)
        assert account.current.tolist() == [followed(orders, slots, node, now_s) for node in range(N)]


def test_a_slot_is_not_given_away_while_somebody_follows_it() -> None:
    account = RouteSlots(N)
    held = account.take(0.0)
    account.follow(0.0, held)
    for k in range(100):
        slot = account.take(1.0 + k)
        assert slot != held, "node 2 still follows it"
        account.adopt(np.array([1.0 + k, 1.0 + k, NEVER]), slot)


def test_more_announced_tables_than_slots_are_an_error_and_overwrite_nothing() -> None:
    account = RouteSlots(N)
    for k in range(ROUTE_SLOTS - 1):
        account.follow(10.0 + k, account.take(0.0))
    with pytest.raises(RuntimeError, match="in use or announced"):
        account.take(0.0)
    account.settle(11.0)
    assert account.take(11.0) not in {order.slot for order in account._orders}


def test_an_announced_epoch_that_is_rerouted_again_and_again_needs_no_more_slots() -> None:
    account = RouteSlots(N)
    for k in range(100):
        now_s = k * 0.01
        account.follow(now_s + 0.005, account.take(now_s))
        account.follow(15.0, account.take(now_s))


def test_tables_that_were_recalled_are_free_again_and_others_stay() -> None:
    account = RouteSlots(N)
    first = account.take(0.0)
    account.follow(1.0, first)
    later = []
    for i in range(ROUTE_SLOTS - 2):
        later.append(account.take(0.0))
        account.follow(10.0 + i, later[-1])
    with pytest.raises(RuntimeError):
        account.take(0.5)
    account.recall(10.5)
    free = {account.take(2.0) for _ in range(5 * ROUTE_SLOTS)}
    assert free == set(range(ROUTE_SLOTS)) - {first, later[0]}
