"""What a trial came to, and what counts as broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

Verdict = Literal["ok", "bad", "inconclusive", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial. `failed` is a trial that did not run to its end: `text` says why.

    `checks`: names of those that say bad, with what they say in `text`. `recovery_s`: the longest that anybody waited for
    an answer after a fault was over, None where nobody knows. Counts of operations by their end; `spent_s`: of the hunt's
    time.
    """

    verdict: Verdict
    spent_s: float
    checks: tuple[str, ...] = ()
    text: str = ""
    recovery_s: float | None = None
    ok: int = 0
    fail: int = 0
    unknown: int = 0

    @property
    def conclusive(self) -> bool:
        """Whether it says anything."""
        return self.verdict in ("ok", "bad")

    @property
    def answered_ratio(self) -> float:
        """Share of operations that were answered: a service that is down breaks no promise. Never quite 0."""
        return (1 + self.ok) / (1 + self.ok + self.fail + self.unknown)

    def as_json(self) -> dict[str, Any]:
        """As JSON values; `of_json` reads them."""
        return asdict(self) | {"checks": list(self.checks)}

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome that `as_json` wrote. Raises TypeError."""
        return cls(**{**data, "checks": tuple(data["checks"])})


class Goal(Protocol):
    """What a find is."""

    def breaks(self, outcome: Outcome) -> bool:
        """Whether a trial shows it."""
        ...

    @property
    def words(self) -> str:
        """What it is called."""
        ...


@dataclass(frozen=True, slots=True)
class Violation:
    """Any of these checks says bad; without names, any check at all."""

    checks: tuple[str, ...] = ()

    def breaks(self, outcome: Outcome) -> bool:
        """Whether one of them does."""
        bad = outcome.verdict == "bad"
        return bad and (not self.checks or not set(self.checks).isdisjoint(outcome.checks))

    @property
    def words(self) -> str:
        """The names of the checks."""
        return ", ".join(self.checks) or "any check"


@dataclass(frozen=True, slots=True)
class SlowRecovery:
    """A recovery takes `limit_s` or longer."""

    limit_s: float

    def breaks(self, outcome: Outcome) -> bool:
        """Whether one did, in a trial that can be trusted."""
        slow = outcome.recovery_s is not None and outcome.recovery_s >= self.limit_s
        return outcome.conclusive and slow

    @property
    def words(self) -> str:
        """The limit."""
        return f"recovery of {self.limit_s:.1f} s or longer"
