"""What processes use of a share of a core that they get together."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skyrack.node.holding.budget import Budget
from skyrack.node.holding.members import cpu_s
from skyrack.node.process import Process


class Share:
    """Of one hold; they have to stop while `stands`."""

    def __init__(self, ratio: float, members: Mapping[int, Process], now_s: float) -> None:
        self._budget = Budget(ratio, len(os.sched_getaffinity(0)), now_s)
        self._used_s = {pid: used_s for pid in members if (used_s := cpu_s(pid)) is not None}
        self._reaped_s = _reaped_s(members)
        self._left_s = (
            0.0  # of those that have ended, which comes again with the time that their parent waited for
        )
        self.spend_at_s = now_s

    @property
    def stands(self) -> bool:
        """Whether they have used up what they may."""
        return self._budget.stands

    def spend(self, members: Mapping[int, Process], now_s: float) -> None:
        """Count what they have used since; `spend_at_s` is when to do that again."""
        used_s = 0.0
        for pid in self._used_s.keys() - members.keys():
            self._left_s += self._used_s.pop(pid)
        for pid, member in members.items():
            at_s = cpu_s(pid)
            if at_s is not None:
                # Of one that was born here all counts, of one that came from outside what it uses from now on.
                used_s += at_s - self._used_s.get(pid, 0.0 if member.parent in members else at_s)
                self._used_s[pid] = at_s
        reaped_s = _reaped_s(members)
        news_s = max(reaped_s - self._reaped_s, 0.0)
        self._reaped_s = reaped_s
        counted_s = min(news_s, self._left_s)
        self._left_s -= counted_s
        self.spend_at_s = now_s + self._budget.spend(now_s, used_s + news_s - counted_s)


def _reaped_s(members: Mapping[int, Process]) -> float:
    return sum(one.reaped_s for one in members.values())
