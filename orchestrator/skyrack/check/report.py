"""What the checks found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["ok", "bad", "inconclusive"]
_MARKS = {"ok": " ok ", "bad": "BAD ", "inconclusive": " ?? "}


@dataclass(frozen=True)
class Check:
    """One promise. `operations`: the indices of those that prove the verdict, most telling first where it is bad.

    `text` is one line or several: the first one is the result, the others say which operations it was.
    """

    name: str
    verdict: Verdict
    text: str
    operations: Sequence[int] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `skyrack check -o json` has it."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "text": self.text,
            "operations": list(self.operations),
            "figures": dict(self.figures),
        }


@dataclass(frozen=True)
class Report:
    """All checks of a history. `operations`: how many ended how. `recovery`: one row per fault and per unexplained gap.

    `notes`: what a reader has to know of the history itself, such as that it was cut short.
    """

    model: str
    operations: Mapping[str, int]
    checks: Sequence[Check]
    recovery: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict:
        """`bad` if any check is, else `inconclusive` if any is."""
        found = {check.verdict for check in self.checks}
        return "bad" if "bad" in found else "inconclusive" if "inconclusive" in found else "ok"

    def to_json(self) -> dict[str, Any]:
        """As `skyrack check -o json` prints it."""
        return {
            "verdict": self.verdict,
            "model": self.model,
            "operations": dict(self.operations),
            "checks": [check.to_json() for check in self.checks],
            "recovery": [dict(row) for row in self.recovery],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows: list[tuple[Verdict, str, str]] = [
            (check.verdict, check.name, check.text) for check in self.checks
        ]
        rows.append((self.verdict, "verdict", self.verdict))
        width = max(len(name) for _, name, _ in rows)
        lines = [f"note: {note}" for note in self.notes]
        for verdict, name, text in rows:
            first, *others = text.splitlines() or [""]
            lines.append(f"{_MARKS[verdict]}{name.ljust(width)}  {first}".rstrip())
            lines += [f"      {other}" for other in others]
        return "\n".join(lines)
