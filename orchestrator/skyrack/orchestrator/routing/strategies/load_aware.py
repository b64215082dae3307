"""load-aware: delay plus what the queue costs, and reluctant to change.

    cost of a way over a link = delay_s + weight_s u / (1 - u)        u: share of the rate in use, MOST_USED at most

u / (1 - u) is the mean number waiting at an M/M/1 queue; weight_s says what one is worth. Traffic follows routes and routes
follow traffic, so three things keep them from chasing each other:

    turns       one tree in `stagger` may be replaced per epoch, so the next one sees what the last one's change did
    margin      a tree is replaced only when some pair of inhabited nodes gains more than `margin`
    doubling    after n replacements more than margin * 2^n; n falls by one after QUIET_TURNS turns that change nothing

Flows that cannot be halved have no even share, so an odd one may still change ways once in that time, not more often.
Branches whose links are gone are grown anew at once, the rest of their tree stays, and that does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.routing.strategies.protocol import Floats, Indices, Strategy, View
from skyrack.orchestrator.routing.trees import next_hops
from skyrack.orchestrator.scenario.model.routing import LoadAware, Routing

MOST_USED = 0.95
QUIET_TURNS = 100


@dataclass(frozen=True, slots=True)
class Held:
    """Trees (d, n_nodes) in force, how often each (d,) was replaced for its load, and for how many turns it was not."""

    next_hop: Indices
    replaced: Floats
    quiet: Floats

    @classmethod
    def of(cls, next_hop: Indices) -> Held:
        """Trees that have never been replaced."""
        return cls(next_hop, np.zeros(len(next_hop)), np.zeros(len(next_hop)))


def strategy(routing: Routing) -> Strategy:
    """Trees of least cost for the view's load; a run goes from one to the next by `rebalance`."""

    def cheapest(view: View) -> Indices:
        return _cheapest(view, _costs_s(view, routing.load_aware))

    return cheapest


def rebalance(view: View, keys: LoadAware, held: Held | None, turn: int | None) -> Held:
    """The trees to use now, given those in force. `turn`: whose turn it is; None: nobody's, only broken branches are."""
    cost_s = _costs_s(view, keys)
    fresh = _cheapest(view, cost_s)
    if held is None or held.next_hop.shape != fresh.shape:
        return Held.of(fresh)
    table = _Costs(view, cost_s)
    lost = np.isinf(_along(held.next_hop, table.of(held.next_hop)))
    # Whole branches lead over whole branches, and what was lost follows the fresh tree until it meets one: no loops.
    mended = np.where(lost, fresh, held.next_hop)
    due = np.arange(len(fresh)) % keys.stagger == (turn if turn is not None else -1)
    asked = np.nonzero(due)[0]
    before_s = _along(mended[asked], table.of(mended[asked]))[:, view.destinations]
    after_s = _along(fresh[asked], table.of(fresh[asked]))[:, view.destinations]
    joined = np.isfinite(before_s) & np.isfinite(after_s) & (after_s > 0.0)
    gain = np.divide(before_s, after_s, out=np.ones_like(before_s), where=joined).max(axis=1, initial=1.0)
    better = np.zeros(len(fresh), dtype=np.bool_)
    better[asked] = gain > 1.0 + keys.margin_ratio * 2.0 ** held.replaced[asked]
    quiet = np.where(better, 0.0, held.quiet + due)
    forgiven = quiet >= QUIET_TURNS
    replaced = np.maximum(held.replaced + better - forgiven, 0.0)
    next_hop = np.where(better[:, np.newaxis], fresh, mended).astype(np.int32)
    return Held(next_hop, replaced, np.where(forgiven, 0.0, quiet))


def _costs_s(view: View, keys: LoadAware) -> Floats:
    used = np.clip(view.load, 0.0, MOST_USED)
    return view.delay_s[:, np.newaxis] + keys.weight_ms / 1e3 * used / (1.0 - used)


def _cheapest(view: View, cost_s: Floats) -> Indices:
    return next_hops(view.through, view.a, view.b, cost_s, view.destinations)


class _Costs:
    """What each step from a node to the next costs, infinite where they are not linked."""

    def __init__(self, view: View, cost_s: Floats) -> None:
        self._n = view.n_nodes
        key = np.concatenate(
            [view.a.astype(np.int64) * self._n + view.b, view.b.astype(np.int64) * self._n + view.a]
        )
        order = np.argsort(key)
        self._key, self._cost_s = key[order], np.concatenate([cost_s[:, 0], cost_s[:, 1]])[order]

    def of(self, next_hop: Indices) -> Floats:
        """Costs (d, n_nodes) of every step; 0 at the destination."""
        node = np.arange(self._n, dtype=np.int64)
        if not len(self._key):
            return np.where(next_hop == node, 0.0, np.inf)
        wanted = node * self._n + next_hop
        found = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        linked: NDArray[np.bool_] = (self._key[found] == wanted) & (next_hop >= 0)
        return np.where(next_hop == node, 0.0, np.where(linked, self._cost_s[found], np.inf))


def _along(next_hop: Indices, step_s: Floats) -> Floats:
    """Cost (d, n_nodes) from every node to the root of its tree, by doubling the stretch that is known."""
    node = np.arange(next_hop.shape[1])
    total_s, onward = step_s.copy(), np.where(next_hop < 0, node, next_hop)
    for _ in range(max(1, int(next_hop.shape[1]).bit_length())):
        total_s = np.where(onward == node, total_s, total_s + np.take_along_axis(total_s, onward, axis=1))
        onward = np.take_along_axis(onward, onward, axis=1)
        if (onward == np.take_along_axis(onward, onward, axis=1)).all():
            break
    return total_s
