r"""CPU time that processes may still use, and when they have to stop for it. Pure.

They get `ratio` of the time that passes, and may save up at most what two periods bring. Who has used it up stops until what a
period brings is there again; what was used beyond it, because nobody looked earlier, is owed, and what came while they stood,
because nobody let them go on earlier, is theirs. So the share is exact in the long run, however late somebody looks.

    credit  PERIOD_S * ratio  |\      /|\      /        ratio 0.2, one busy thread: runs 7.5 ms, stands 30 ms
                           0  |_\____/_|_\____/__
                                runs  stands
"""

from __future__ import annotations

PERIOD_S = 0.03
SHORTEST_LOOK_S = 0.001
LONGEST_LOOK_S = PERIOD_S / 2
MOST_STOOD_S = 1.0  # what came in that time is theirs, more is not: a burst has to end


class Budget:
    """Of one hold. `cores`: on how many they may run at once."""

    def __init__(self, ratio: float, cores: int, now_s: float) -> None:
        self._ratio = ratio
        self._cores = cores
        self._enough_s = ratio * PERIOD_S
        self._most_s = 2 * self._enough_s
        self._credit_s = self._enough_s
        self._at_s = now_s
        self.stands = False

    def spend(self, now_s: float, used_s: float) -> float:
        """They have used `used_s` since they were looked at last. Returns in how many seconds to look again."""
        credit_s = self._credit_s + self._ratio * (now_s - self._at_s) - used_s
        if self.stands:  # until now
            self._most_s = max(2 * self._enough_s, min(credit_s, self._ratio * MOST_STOOD_S))
        self._credit_s = min(credit_s, self._most_s)
        self._at_s = now_s
        if credit_s >= self._enough_s:
            self.stands = False
        elif credit_s <= 0.0:
            self.stands = True
        if self.stands:
            return max((self._enough_s - self._credit_s) / self._ratio, SHORTEST_LOOK_S)
        return min(max(self._credit_s / self._cores, SHORTEST_LOOK_S), LONGEST_LOOK_S)
