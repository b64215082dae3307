"""What each node knows of what has failed, and when it comes to know more. Pure.

News is a change and when each node hears of it. A node's view is the base and all news it has heard, in the order in which
it happened, whatever the order in which it was heard. A mask says which: bit k for news k.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from skyrack.orchestrator.topology.failures import NO_FAILURES, Failures, union

Floats = NDArray[np.float64]
MOST_NEWS = 60  # bits of a mask
_NOTHING = (NO_FAILURES, NO_FAILURES)


@dataclass(frozen=True, slots=True)
class News:
    """`worse` has failed or `better` is back, and node i hears of it at learns_s[i] (infinite: never)."""

    worse: Failures
    better: Failures
    learns_s: Floats

    @property
    def last_s(self) -> float:
        """When the last of those hears who ever do."""
        heard = self.learns_s[np.isfinite(self.learns_s)]
        return float(heard.max()) if len(heard) else -np.inf


@dataclass(frozen=True, slots=True)
class Views:
    """`base` is known to all; `news` are on their way, oldest first."""

    base: Failures = NO_FAILURES
    news: tuple[News, ...] = field(default=())

    def hear(self, news: News) -> Views:
        """With one more piece of news; the oldest are taken as known to all when there are too many."""
        views = self if len(self.news) < MOST_NEWS else Views(self.knowledge(1), self.news[1:])
        return Views(views.base, (*views.news, news))

    def unhear(self, part: Failures) -> Views:
        """As if nobody ever heard that `part` has failed; itself where no news says so."""
        if all(news.worse.without(part) == news.worse for news in self.news):
            return self
        rest = (replace(news, worse=news.worse.without(part)) for news in self.news)
        return Views(self.base, tuple(news for news in rest if (news.worse, news.better) != _NOTHING))

    def settled(self, at_s: float) -> Views:
        """Without the oldest news that everybody has heard by `at_s`; who was cut off hears of it with this."""
        views = self
        while views.news and views.news[0].last_s <= at_s:
            views = Views(views.knowledge(1), views.news[1:])
        return views

    def knowledge(self, mask: int) -> Failures:
        """What a node thinks has failed that has heard the news of `mask`."""
        known = self.base
        for number, news in enumerate(self.news):
            if mask >> number & 1:
                known = union((known, news.worse)).without(news.better)
        return known

    def masks_at(self, at_s: float, n_nodes: int) -> NDArray[np.int64]:
        """What each node (n_nodes,) has heard by `at_s`."""
        masks = np.zeros(n_nodes, dtype=np.int64)
        for number, news in enumerate(self.news):
            masks |= (news.learns_s <= at_s).astype(np.int64) << number
        return masks

    def changes(self, after_s: float, before_s: float) -> list[tuple[int, Floats]]:
        """Masks that nodes come to in (after_s, before_s), each with when node i does (n_nodes,), infinite for others.

        A mask comes after those that it contains: where a node comes to several at one instant, the last one is its view.
        """
        if not self.news:
            return []
        heard_s = np.stack([news.learns_s for news in self.news])
        found: dict[int, Floats] = {}
        for instant_s in heard_s:
            within = (instant_s > after_s) & (instant_s < before_s)
            masks = np.zeros(heard_s.shape[1], dtype=np.int64)
            for number, other_s in enumerate(heard_s):
                masks |= (other_s <= instant_s).astype(np.int64) << number
            for mask in np.unique(masks[within]).tolist():
                when_s = np.where(within & (masks == mask), instant_s, np.inf)
                found[mask] = np.minimum(found.get(mask, when_s), when_s)
        return sorted(found.items(), key=lambda change: (change[0].bit_count(), float(change[1].min())))
