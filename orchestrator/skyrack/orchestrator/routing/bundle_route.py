"""The way of a bundle over a plan of contacts that is made no longer than needed, and why there is none. Pure.

plan --> earliest legs --arrive within what is planned--> the way        what comes later cannot arrive earlier
  ^            |
  '-- longer --'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from skyrack.orchestrator.routing.contact_plan import ContactPlan
from skyrack.orchestrator.routing.contact_search import earliest_legs
from skyrack.orchestrator.routing.contacts import Busy, Leg, free

FIRST_LOOK_S = 300.0  # of orbit time; then twice as far each time


class NoBundleRouteError(Exception):
    """No contacts bring a bundle to its destination in time; says why. `full`: but for these nodes' stores some would."""

    def __init__(self, text: str, full: tuple[int, ...] = ()) -> None:
        super().__init__(text)
        self.full = full


def bundle_route(
    plan: ContactPlan,
    src: int,
    dst: int,
    now_s: float,
    until_s: float,
    size_bytes: int,
    stores: Callable[[int], bool] = lambda node: True,
    busy: Iterable[Busy] = (),
) -> tuple[Leg, ...]:
    """The legs by which `size_bytes` at `src` at run second `now_s` arrive first, before `until_s`.

    `busy`: crossings of others. Raises NoBundleRouteError. Grows the plan.
    """
    names, booked = plan.geometry.names, tuple(busy)
    if out := [names[node] for node in (src, dst) if node in plan.failures.nodes]:
        raise NoBundleRouteError(f"{' and '.join(out)} is known to be dark")
    look_s = FIRST_LOOK_S / (plan.timeline.speed_at(now_s) or 1.0)
    while True:
        plan.grow(min(now_s + look_s, until_s))
        legs = earliest_legs(free(plan.contacts(), booked), src, dst, now_s, size_bytes, stores)
        if legs is not None and legs[-1].arrives_s <= min(plan.known_until_s, until_s):
            return legs
        if now_s + look_s >= until_s:
            break
        look_s *= 2.0
    _say_why(plan, src, dst, now_s, until_s, size_bytes, stores)
    raise NoBundleRouteError("other bundles have booked the contacts that lead there")


def _say_why(
    plan: ContactPlan,
    src: int,
    dst: int,
    now_s: float,
    until_s: float,
    size_bytes: int,
    stores: Callable[[int], bool],
) -> None:
    """Raise NoBundleRouteError with what is in the way, unless that is other bundles alone."""
    names, contacts = plan.geometry.names, list(plan.contacts())

    def arrives(size_bytes: int, stores: Callable[[int], bool]) -> tuple[Leg, ...] | None:
        legs = earliest_legs(contacts, src, dst, now_s, size_bytes, stores)
        return legs if legs is not None and legs[-1].arrives_s <= until_s else None

    orbit_s = plan.timeline.t_s(until_s) - plan.timeline.t_s(now_s)
    if arrives(1, lambda node: True) is None:
        raise NoBundleRouteError(
            f"no contacts lead from {names[src]} to {names[dst]} within {orbit_s:.0f} s of orbit time"
        )
    legs = arrives(size_bytes, lambda node: True)
    if legs is None:
        raise NoBundleRouteError(
            f"the contacts that lead from {names[src]} to {names[dst]} within {orbit_s:.0f} s of orbit time are too "
            f"short for {size_bytes} bytes as a whole"
        )
    if arrives(size_bytes, stores) is None:
        full = tuple(leg.dst for leg in legs[:-1] if not stores(leg.dst))
        listed = ", ".join(names[node] for node in full)
        raise NoBundleRouteError(f"no room for {size_bytes} bytes in the store of {listed}", full)
